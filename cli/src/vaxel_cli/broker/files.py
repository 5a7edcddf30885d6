"""The files that one local broker runs on: its settings and how it logs."""

from __future__ import annotations

from pathlib import Path

NODE_ID = 1


def server_properties(folder: Path, port: int, controller_port: int) -> str:
    """``server.properties`` of one KRaft node that is broker and controller, on loopback.

    Sources: Apache Kafka 4.3 broker configuration reference; the reasons stand beside the lines.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": folder / "log",
        # Topics come from one declaration; a typing error must not make another.
        "auto.create.topics.enable": "false",
        # One node: its internal topics can have one copy only.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 2,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # Groups here are static members that come back: nobody else has to be waited for.
        "group.initial.rebalance.delay.ms": 0,
        # Cursors of groups outlive the 30 days of the topics that they point into.
        "offsets.retention.minutes": 129600,
        # After a kill the old registration lapses in 1.5 s instead of 9.
        "broker.session.timeout.ms": 1500,
        "broker.heartbeat.interval.ms": 250,
        # Small machine: fewer threads, and 16 MB instead of 128 to compact with.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16777216,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def log4j2_properties(folder: Path) -> str:
    """Kafka's own log: warnings and what start and stop say, at most 20 MB."""
    return f"""status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={folder}/kafka.log
appender.file.filePattern={folder}/kafka.log.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %-5p %c{{1}}: %m%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=1
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
"""
