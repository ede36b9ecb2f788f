"""How the judge is asked: calls, limits, batches, clusters, and the ledger that keeps each reply."""
