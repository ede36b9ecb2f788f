"""What the judge reads and when: rubrics, prompts, probes, signs of steering, and the plan of calls."""
