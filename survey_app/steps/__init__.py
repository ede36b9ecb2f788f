"""The pages of a rater's way through the study, one file a step, and the coordinator's page."""
