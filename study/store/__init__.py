"""Store: the study folder and its database, SQLite or PostgreSQL."""
