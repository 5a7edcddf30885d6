"""What needs no I/O: rows out of records, who may do what, the shapes of the API."""
