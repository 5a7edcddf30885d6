"""Everything that touches Apache Kafka; nothing else imports aiokafka."""
