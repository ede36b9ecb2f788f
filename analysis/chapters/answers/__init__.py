"""The chapters about answers as they were given: how often, how high, in which order."""
