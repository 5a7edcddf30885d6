"""Pure: what is decided to be sent, as rows, mails and pages. No clock, no I/O, no Kafka."""
