"""Pure: what moves a clock, what it comes to, what is said about it."""
