"""How published tables are laid out: one file for a kind of table, all of them in `recognised`."""
