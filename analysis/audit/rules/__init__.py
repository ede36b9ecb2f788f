"""What is checked of published tables: one file for a kind of rule, all of them in `register`."""
