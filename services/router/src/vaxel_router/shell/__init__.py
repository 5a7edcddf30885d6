"""The router's I/O: reading work, committing decisions, answering live questions."""
