"""I/O: the database, the broker, the relay and the link pages."""
