"""Where responses and verdicts come from: backends, the offline format, generation, judge."""
