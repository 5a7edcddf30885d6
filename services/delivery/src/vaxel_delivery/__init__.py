"""Delivery: what was decided, done, and what came of it said."""
