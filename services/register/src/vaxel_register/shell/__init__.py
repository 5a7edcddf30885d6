"""Readers, database and HTTP: everything that touches the world."""
