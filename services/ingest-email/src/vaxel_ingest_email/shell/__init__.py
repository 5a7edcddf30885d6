"""Receiving: sockets, worker processes, the broker, the blob store."""
