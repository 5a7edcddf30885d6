"""The mail parser: pure, total, bounded."""
