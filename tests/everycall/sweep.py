"""One scenario, over and over: the n-th call goes wrong, for every n until a run gets through."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog
from everycall import fake_disk, fake_kafka
from everycall.fake_disk import Connections
from everycall.fake_kafka import FakeKafka
from everycall.faults import PROCESS, Killed, Kind, Plan, Process
from everycall.virtual import VirtualLoop, virtual_time

from vaxel_shared.errors import VaxelError
from vaxel_shared.kafka.topics import TOPICS
from vaxel_shared.service import DRAIN_MS_MAX, Service

LIVES_MAX = 4
"""One fault may end one process; more than that, and something doesn't recover."""
LIFE_S_MAX = 900.0
"""Virtual seconds in which a scenario must be through, whatever its patience."""
PATIENCE_S = 150.0
"""How long whoever waits for an end waits, in virtual seconds."""
CALLS_MAX = 3_000
"""More than any scenario makes."""


@dataclass
class World:
    """What is there before, between and after a service's lives."""

    folder: Path
    plan: Plan
    kafka: FakeKafka
    loop: VirtualLoop
    disk: Connections
    exits: list[BaseException] = field(default_factory=list)

    async def until(self, found: Callable[[], Any]) -> None:
        """Return when it holds; raises ``TimeoutError`` where it doesn't come to that.

        A relay may take ten minutes over one mail.
        """
        begun_s = self.loop.time()
        while not found():
            slow = str(self.plan.fired).startswith("smtp")
            if self.loop.time() - begun_s > (800 if slow else PATIENCE_S):
                raise TimeoutError
            await asyncio.sleep(0.1)

    def topic(self, name: str) -> list[fake_kafka.Row]:
        """Everything on a topic."""
        return self.kafka.rows(name)


class Scenario(Protocol):
    """A service, what it is given to do, and how it must end."""

    name: str

    def __init__(self, world: World) -> None: ...

    @classmethod
    def ready(cls) -> None:
        """What is made once and needs the real world, before any fake is put in its place."""

    def patches(self) -> AbstractContextManager[object]:
        """What stands in for the rest of the world, for all lives."""
        return nullcontext()

    async def prepare(self) -> None:
        """Before the first life."""
        ...

    async def build(self) -> Service:
        """A new process over what is there."""
        ...

    async def drive(self, service: Service) -> None:
        """Give it its work; return when all is done. Begun anew in every life."""
        ...

    def check(self) -> Iterable[str]:
        """What is wrong in the end; nothing where all is as it must be."""
        ...


@dataclass
class Tally:
    """What a sweep came to."""

    name: str
    calls: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    ports: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    hang_s_max: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many calls went wrong."""
        return sum(self.runs.values())

    def note(self, kind: Kind, at: int, world: World, problems: list[str]) -> None:
        """One run in which a call went wrong."""
        self.runs[kind.value] += 1
        self.exits.update(type(error).__name__ for error in world.exits)
        self.hang_s_max = max(self.hang_s_max, world.plan.hung_s or 0.0)
        where = f"{self.name}, call {at} ({world.plan.fired}) {kind.value}"
        self.violations += [f"{where}: {problem}" for problem in problems]


def sweep(
    make: type[Scenario],
    kinds: Sequence[Kind] = tuple(Kind),
    *,
    thin: bool = False,
    told: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Every call of the scenario meets each of ``kinds``; where ``thin``, one of them in turn."""
    tally = Tally(make.name)
    problems, world = run_once(make, Plan())
    tally.calls, tally.ports = world.plan.count, Counter(world.plan.ports)
    if problems:  # then nothing that follows would show anything
        tally.violations = [f"{make.name}, undisturbed: {problem}" for problem in problems]
        return tally
    for first in range(1 if thin else len(kinds)):
        for at in range(1, CALLS_MAX):
            kind = kinds[(first + at) % len(kinds)] if thin else kinds[first]
            problems, world = run_once(make, Plan(kind, at))
            if world.plan.fired is None:
                break  # it got through
            tally.note(kind, at, world, problems)
            told(tally)
        else:
            tally.violations.append(f"{make.name}: never gets through")
    return tally


def run_once(make: type[Scenario], plan: Plan) -> tuple[list[str], World]:
    """One history; answers what is wrong with it."""
    make.ready()
    with _world(plan) as world:
        return world.loop.run_until_complete(_history(make(world), world)), world


@contextmanager
def _world(plan: Plan) -> Iterator[World]:
    memory = Path("/dev/shm")  # a disk that is none, where there is one
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    kafka = FakeKafka({topic.name: topic.partitions_local for topic in TOPICS})
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(structlog.configure, **structlog.get_config())
        structlog.configure(wrapper_class=quiet, cache_logger_on_first_use=False)
        loop = stack.enter_context(virtual_time())
        stack.enter_context(fake_kafka.installed(kafka, plan))
        disk = stack.enter_context(fake_disk.installed(plan))
        yield World(folder, plan, kafka, loop, disk)


async def _history(scenario: Scenario, world: World) -> list[str]:
    with scenario.patches():
        return await _lives(scenario, world)


async def _lives(scenario: Scenario, world: World) -> list[str]:
    await scenario.prepare()
    problems: list[str] = []
    for _ in range(LIVES_MAX):
        process = Process()
        # A task of its own has a context of its own: what it starts knows whose it is.
        ended = await asyncio.ensure_future(_life(scenario, world, process, problems))
        process.alive = False
        world.plan.over()
        await _settle()
        world.disk.bury(process)
        if ended is None:
            break
        world.exits.append(ended)
        problems += _unclassified(ended)
    else:
        problems.append(f"still not through after {LIVES_MAX} lives ({world.exits[-1]!r})")
    hung_s, bound_s = world.plan.hung_s or 0.0, world.plan.bound_s
    if hung_s > bound_s + 0.001:
        problems.append(f"a call hung for {hung_s:.0f} s, at most {bound_s:.0f}")
    try:
        problems += scenario.check()
    except VaxelError as error:  # the log itself is broken
        problems.append(str(error))
    return problems


async def _settle() -> None:
    """Let what was cancelled end."""
    mine = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not mine]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _life(
    scenario: Scenario, world: World, process: Process, problems: list[str]
) -> BaseException | None:
    """One process; answers what it died of, None where it ended when all was done."""
    PROCESS.set(process)
    try:
        async with asyncio.timeout(LIFE_S_MAX):
            service = await scenario.build()
            return await _serve(scenario, service, world, problems)
    except TimeoutError as error:
        what = "hangs" if world.plan.hanging else "isn't through"
        problems.append(f"{what} after {LIFE_S_MAX:.0f} s")
        return error
    except (Exception, Killed) as error:  # noqa: BLE001 - it is judged, whatever it is
        return error


async def _serve(
    scenario: Scenario, service: Service, world: World, problems: list[str]
) -> BaseException | None:
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(body(stop)) for body in service.tasks.values()]
    driving = asyncio.ensure_future(scenario.drive(service))
    ended: BaseException | None = None
    done, _ = await asyncio.wait({driving, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        ended = ended or task.exception()
        if task is not driving and ended is None:
            ended = AssertionError("a task ended early")
    if isinstance(ended, Killed):
        return ended
    if isinstance(ended, TimeoutError) and driving in done:
        problems.append("isn't through in time, and doesn't end either")
    driving.cancel()
    stop.set()
    began_s = world.loop.time()
    _, late = await asyncio.wait(tasks, timeout=60) if tasks else (set(), set())
    took_s = world.loop.time() - began_s
    if took_s > DRAIN_MS_MAX / 1000 and world.plan.hung_s is None and not world.plan.hanging:
        problems.append(f"took {took_s:.1f} s to stop")
    for task in late:
        task.cancel()
    for close in reversed(service.closers):
        with suppress(TimeoutError, VaxelError):
            await asyncio.wait_for(close(), 2)
    failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    return ended or next((error for error in failed if error is not None), None)


def _unclassified(error: BaseException) -> list[str]:
    """Each end of a process names its kind, and in one line what to do."""
    if isinstance(error, Killed | TimeoutError):
        return []
    if not isinstance(error, VaxelError):
        return [f"ended by {type(error).__name__} ({error}): neither Poison, Retryable nor Fatal"]
    text = str(error)
    if "\n" in text or not any(mark in text for mark in ("; ", ": ", "?")):
        return [f"ended by a message that isn't one line with a remedy: {text!r}"]
    return []
