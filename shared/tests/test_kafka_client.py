"""What is said where Kafka doesn't answer: what to do differs with one broker and with several."""

from __future__ import annotations

import pytest

from vaxel_shared.kafka.client import are_up, unreachable
from vaxel_shared.settings import Settings


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        ("127.0.0.1:9092", ["no Kafka answers at 127.0.0.1:9092", "vaxel up"]),
        ("a:1,b:2,c:3", ["are enough of the brokers at a:1,b:2,c:3 up?"]),
    ],
)
def test_the_remedy_is_that_of_a_broker_or_of_a_cluster(broker: str, words: list[str]) -> None:
    settings = Settings(broker=broker)
    assert all(word in str(unreachable(settings)) for word in words)
    assert broker in are_up(settings)
