"""How often the statistics are wrong, by simulation, and how fast they are beside named peers."""
