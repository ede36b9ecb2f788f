"""The LLM judge: rubrics, prompts, calls, verdicts and probes."""
