"""The dialogue system: the emotion of a turn, a table of states, and the technique that follows."""
