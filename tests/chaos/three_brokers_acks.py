"""What acks=1 loses: a leader that alone has what was acknowledged dies.

Its followers stand still, mail comes in, the leader is killed, a follower leads. A sound intake
acknowledges nothing meanwhile; one that asks only the leader says 250, and the mail is nowhere.
"""

from __future__ import annotations

import time
from pathlib import Path

from chaos.broken import provoke
from chaos.broken.provoke import Build
from chaos.checker import Verdict
from chaos.cluster import BROKERS, Cluster

from vaxel_shared.kafka.topics import INTERACTIONS

RULE = "one_copy"
SERVICES = "router,triage,ingest-email"
STILL_S = 1.0
"""Longer than a follower's fetch may wait at its leader: no answer to it brings the mails along."""
MAILS = 4


def leader_alone(cluster: Cluster, folder: Path, port_offset: int, rule: str = "") -> Verdict:
    """Do that to a build with this rule broken, or to a sound one."""
    build = Build(folder, port_offset, cluster, SERVICES, rule)
    try:
        build.start()
        topic = build.settings.topic(INTERACTIONS)
        partitions = sorted(cluster.state(topic))
        leader, *followers = BROKERS
        cluster.move(topic, partitions, leader)
        build.mail_until_taken()
        for node in followers:
            cluster.freeze(node)
        time.sleep(STILL_S)
        for _ in range(MAILS):
            build.mail(provoke.MAIL_S_MAX)
        cluster.kill(leader)
        for node in followers:
            cluster.thaw(node)
        for partition in partitions:
            cluster.led_by(topic, partition, *followers)
        cluster.up(leader)
        cluster.whole([topic])
        build.mail_until_taken()
        build.wait_decided()
        return build.judge(patience_s=0 if rule else 20)
    finally:
        build.end()
