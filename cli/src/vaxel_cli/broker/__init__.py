"""A real Apache Kafka on this machine, as a child process, needing nothing but Python.

    installation = await prepare(progress)          # jars and a Java; fetched once
    broker = LocalBroker(installation, folder, port=9092, controller_port=9093)
    await broker.start(); await broker.wait_ready()
    ...
    await broker.stop()

``python -m vaxel_cli.broker --data-dir D --port P`` runs one in the foreground.
"""

from vaxel_cli.broker.installation import Installation, prepare
from vaxel_cli.broker.jars import Progress
from vaxel_cli.broker.process import LocalBroker, Node

__all__ = ["Installation", "LocalBroker", "Node", "Progress", "prepare"]
