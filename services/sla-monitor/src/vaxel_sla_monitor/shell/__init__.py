"""Everything that touches the world: Kafka, Faust, the database, webhooks, mail."""
