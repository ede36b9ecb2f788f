"""Responses of the systems to the prompts: one response, its cleaning, and the run that writes all."""
