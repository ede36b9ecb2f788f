"""What a cumulative-link mixed model is held to: few prompts, other thresholds, better integrals."""
