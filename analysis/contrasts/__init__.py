"""Two groups or two systems compared: tests, effect sizes, preferences, multiplicity and power."""
