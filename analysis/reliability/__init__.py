"""Reliability of a scale: alpha, omega, correlations of ordered items, and scores of instruments."""
