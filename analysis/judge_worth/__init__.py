"""What the LLM judge's verdicts are worth beside people's ratings, and scores corrected by people."""
