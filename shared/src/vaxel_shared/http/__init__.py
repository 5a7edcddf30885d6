"""HTTP that every service has in common."""
