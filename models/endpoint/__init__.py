"""Asking an address that speaks the OpenAI chat protocol: one client for generation and the judge."""
