"""What was answered: frequencies, numbers, shares, careless answering, and measures of the texts."""
