"""What a reply says: its text, typed outcomes for each criterion, and cases for people to review."""
