"""The judge in the store: its calls and verdicts, what answered under its name, cases for people."""
