"""A judge without a model behind an OpenAI-compatible address, its batches and its faults by name."""
