"""The SLA monitor: clocks on a stream of decisions, warnings and breaches told once."""
