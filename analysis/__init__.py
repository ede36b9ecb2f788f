"""What the ratings say: pure functions from arrays and data frames to frozen results; the report."""
