"""Sockets, requests, the log."""
