"""Plays a scenario on a stage and holds what is seen against what is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from vaxel_cli.policy import seen
from vaxel_cli.policy.incoming import Desk
from vaxel_cli.policy.scenario import ElsewhereStep, Expectation, Loaded, Scenario, Step, SwitchStep
from vaxel_cli.policy.seen import Seen
from vaxel_cli.policy.stage import Stage
from vaxel_shared import reasons
from vaxel_shared.calendars.instants import parse_instant
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config import sla, source
from vaxel_shared.config.channels import Channels
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.config.document import ConfigError, Document, Path_
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.routing import Routing
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.commands import Actor

_PARTS: dict[str, type[BaseModel]] = {"channels": Channels, "routing": Routing, "roster": Roster}
_SUBSETS = frozenset({"why_not", "counts", "wins_by"})
"""What is named must be so; what isn't may be anything."""
BEFORE_MS = 3_600_000
"""So long before a scenario begins everybody has been there: the first offer then counts as one."""
_BLOB = {"ref": "body/" + "0" * 64, "sha256": "0" * 64, "size": 1}
SUPERVISOR = Actor(kind="supervisor", id="scenario")


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that didn't hold, or a step that couldn't be taken."""

    line: int
    what: str
    expected: Any
    got: Any
    notes: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


class CannotGoOn(Exception):
    """A step that can't be taken as the scenario stands: the rest of it would mean nothing."""


def deployment_of(loaded: Loaded, base: Deployment) -> Deployment:
    """The deployment that a file is about: ``base``, with the files that stand in it.

    Raises :class:`ConfigError` where they aren't right, by themselves or together.
    """
    documents = dict(base.documents)
    parts: dict[str, Any] = {}
    for name, model in _PARTS.items():
        if getattr(loaded.file, name) is not None:
            documents[name] = _inner(loaded.document, name)
            parts[name] = source.validate(model, documents[name])
    if loaded.file.sla is not None:
        parts["sla"] = sla.checked(_inner(loaded.document, "sla"), loaded.path.parent)
    elif loaded.file.routing is not None:
        parts["sla"] = sla.EMPTY  # promises are made for the deployment's own queues
    found = replace(base, documents=documents, **parts)
    problems = [] if found == base else deployment_files.between(found)
    if problems:
        raise ConfigError(problems)
    return found


def _inner(document: Document, key: str) -> Document:
    """What stands under a key, as a document of its own with the lines of the whole."""
    lines = {path[1:]: line for path, line in document.lines.items() if path[:1] == (key,)}
    return Document(document.file, document.data[key], lines, document.raw)


def play(loaded: Loaded, index: int, deployment: Deployment) -> list[Failure]:
    """Play one scenario of a file; answers what didn't hold."""
    return _Play(loaded, index, deployment).run()


class _Play:
    def __init__(self, loaded: Loaded, index: int, deployment: Deployment) -> None:
        self._document = loaded.document
        self._path: Path_ = ("scenarios", index)
        self._scenario: Scenario = loaded.file.scenarios[index]
        self._deployment = deployment
        self._stage = Stage(deployment, parse_instant(self._scenario.begins) - BEFORE_MS)
        self._desk = Desk(deployment)
        self._contacts: dict[str, Seen] = {}
        self._failures: list[Failure] = []

    def run(self) -> list[Failure]:
        try:
            self._set_presence()
            self._stage.wait(BEFORE_MS)
        except CannotGoOn as error:
            return [Failure(self._document.line(self._path), str(error), None, None)]
        for number, step in enumerate(self._scenario.steps):
            path = (*self._path, "steps", number)
            try:
                self._take(step, path)
            except CannotGoOn as error:
                line = self._document.line((*path, step.verb or "expect"))
                self._failures.append(Failure(line, str(error), None, None))
                break
            self._compare(step, path)
        return self._failures

    def _set_presence(self) -> None:
        scenario = self._scenario
        for agent in self._deployment.roster.agents:
            there = agent.present if scenario.only is None else agent.id in scenario.only
            wanted = scenario.agents.get(agent.id, "available" if there else "offline")
            if wanted != ("available" if agent.present else "offline"):
                self._presence(agent.id, wanted)
        for name in [*(scenario.only or []), *scenario.agents]:
            self._agent_pool(name)

    def _presence(self, agent_id: str, presence: str, **more: Any) -> None:
        data = {"presence": presence} | _given(**more)
        self._stage.ask("agent.presence", self._agent_pool(agent_id), agent_id=agent_id, data=data)

    def _agent_pool(self, agent_id: str) -> str:
        for agent in self._deployment.roster.agents:
            if agent.id == agent_id:
                return agent.pool
        raise CannotGoOn(f"no agent {agent_id!r} in the roster")

    def _take(self, step: Step, path: Path_) -> None:
        verb = step.verb
        if verb is None:
            return
        if step.contact is not None or step.ready is not None:
            self._come_in(step)
        elif step.wait is not None:
            self._stage.wait(step.wait)
        elif step.switch is not None:
            self._judge(step, path, verb, self._switch(step.switch))
        elif step.elsewhere is not None:
            self._judge(step, path, verb, self._elsewhere(step.elsewhere))
        elif verb in _PRESENCES:
            lost = True if verb == "lost" else None
            more = {"mode": step.mode, "channels": step.channels, "lost": lost}
            self._presence(getattr(step, verb), _PRESENCES[verb], **more)
        else:
            made = _ACTS[verb](self, self._contact(getattr(step, verb)), step)
            self._judge(step, path, verb, made)

    def _switch(self, asked: SwitchStep) -> list[wire.Decision]:
        data: dict[str, Any] = {"switch": asked.on or asked.off, "on": asked.on is not None}
        data |= _given(queue=asked.queue, value=asked.to)
        if asked.on is not None:
            data |= {"reason": "scenario", "until_ms": self._stage.now_ms + asked.for_ms}
        pool = asked.pool or self._deployment.routing.pools[0].name
        return self._stage.ask("switch.set", pool, actor=SUPERVISOR, data=data)

    def _elsewhere(self, said: ElsewhereStep) -> list[wire.Decision]:
        data = {
            "source": said.source,
            "channels": said.channels,
            "until_ms": self._stage.now_ms + said.for_ms,
        }
        pool = self._agent_pool(said.agent)
        return self._stage.ask("agent.elsewhere", pool, agent_id=said.agent, data=data)

    def _come_in(self, step: Step) -> None:
        contact = step.contact or step.ready
        assert contact is not None  # noqa: S101 - the caller looked
        if contact.id in self._contacts:
            raise CannotGoOn(f"contact {contact.id!r} came in before; give it another id")
        try:
            if step.contact is not None:
                command = self._desk.command(step.contact, self._stage.now_ms)
            else:
                assert step.ready is not None  # noqa: S101 - one of the two
                command = self._desk.ready(step.ready, self._stage.now_ms)
        except LookupError as error:
            raise CannotGoOn(str(error)) from error
        made = self._stage.send(command)
        self._contacts[contact.id] = Seen(self._stage, command, made)

    def _judge(self, step: Step, path: Path_, verb: str, made: list[wire.Decision]) -> None:
        """Whether the router took a command, as the step says it must."""
        refusal = next((item for item in made if item.type == "command.refused"), None)
        got = str(refusal.data["code"]) if refusal is not None else None
        if got != step.refused:
            line = self._document.line((*path, "refused" if step.refused else verb))
            notes = [reasons.refusal(got, refusal.data.get("params"))] if refusal and got else []
            about = getattr(step, verb)
            what = f"{verb} {about}" if isinstance(about, str) else verb
            expected = f"refused: {step.refused}" if step.refused else "taken"
            said = f"refused: {got}" if got else "taken"
            self._failures.append(Failure(line, what, expected, said, notes))

    def _contact(self, name: str) -> Seen:
        if name not in self._contacts:
            known = ", ".join(self._contacts) or "none"
            raise CannotGoOn(f"no contact {name!r} so far; known are {known}")
        return self._contacts[name]

    def _compare(self, step: Step, path: Path_) -> None:
        for name, wanted in step.expect.items():
            place = (*path, "expect", name)
            try:
                self._compare_one(self._contact(name), name, wanted, place)
            except CannotGoOn as error:
                line = self._document.line(place)
                self._failures.append(Failure(line, str(error), None, None))
        for agent_id, expected in step.agents.items():
            now = seen.agent(self._stage, agent_id)
            for key in sorted(expected.model_fields_set):
                got = now[key] if now is not None else "no such agent"
                if got != getattr(expected, key):
                    line = self._document.line((*path, "agents", agent_id, key))
                    what = f"agent {agent_id}.{key}"
                    self._failures.append(Failure(line, what, getattr(expected, key), got))

    def _compare_one(self, contact: Seen, name: str, wanted: Expectation, place: Path_) -> None:
        for key in type(wanted).model_fields:
            if key not in wanted.model_fields_set:
                continue
            expected, got = getattr(wanted, key), contact.value(key, self._contacts)
            if key == "same_case_as":
                self._contact(expected)
                got = expected if self._contacts[expected].case_id == contact.case_id else got
            same = expected == got
            if key in _SUBSETS:
                got = {one: got.get(one) for one in expected}
                same = expected == got
            if not same:
                line = self._document.line((*place, key))
                notes = self._notes(contact, key, expected)
                self._failures.append(Failure(line, f"{name}.{key}", expected, got, notes))

    def _notes(self, contact: Seen, key: str, expected: Any) -> list[str]:
        """Why it isn't who was expected, as far as the account of candidates tells."""
        if key not in ("offered", "assigned", "offers", "state", "why_not"):
            return []
        wanted = [expected] if isinstance(expected, str) else list(expected)
        explain = contact.explain()
        notes = [
            f"{item['agent_id']}: {reasons.rejection(item['code'], item['params'])}"
            for item in explain.get("rejected", [])
            if item["agent_id"] in wanted
        ]
        if not notes and key in ("offered", "state"):
            counts = explain.get("by_code", {}).items()
            notes = [f"{count} agents: {reasons.rejection(code)}" for code, count in counts]
            if explain.get("terms"):
                terms = (reasons.term(term["code"], term["value"]) for term in explain["terms"])
                notes.append(f"chosen by {'; '.join(terms)}")
        return notes

    def _offer(self, contact: Seen, by: str | None) -> tuple[str, str, str]:
        """(offer id, agent, token) of what is offered now, to ``by`` if to several."""
        work = contact.work
        if work is None or work.offer_id is None:
            raise CannotGoOn(f"nothing is offered: the work is {contact.value('state', {})}")
        offers = [self._stage.pool(contact.pool).offers[one] for one in work.open_offers]
        offer = next((one for one in offers if one.agent_id == by), offers[0])
        return offer.id, offer.agent_id, offer.token

    def _answer(self, verb: str, contact: Seen, step: Step) -> list[wire.Decision]:
        offer_id, agent_id, token = self._offer(contact, step.by)
        agent_id = step.by or agent_id
        retry_ms = self._stage.now_ms + step.retry if step.retry is not None else None
        return self._stage.ask(
            f"offer.{verb}", contact.pool, case_id=contact.case_id, agent_id=agent_id, token=token,
            actor=Actor(kind="agent", id=agent_id),
            data={"offer_id": offer_id} | _given(retry_at_ms=retry_ms),
        )  # fmt: skip

    def _act(
        self, type_: str, contact: Seen, step: Step, data: dict[str, Any]
    ) -> list[wire.Decision]:
        """A command about a case: by ``by``, else by whoever has the work, else by a supervisor."""
        work = contact.work
        agent_id = step.by or (work.agent_id if work is not None else None)
        who = Actor(kind="agent", id=agent_id) if agent_id is not None else SUPERVISOR
        token = work.token if work is not None else None
        given = {"case_id": contact.case_id, "agent_id": agent_id, "token": token}
        return self._stage.ask(type_, contact.pool, actor=who, data=data, **given)

    def accept(self, contact: Seen, step: Step) -> list[wire.Decision]:
        return self._answer("accept", contact, step)

    def decline(self, contact: Seen, step: Step) -> list[wire.Decision]:
        return self._answer("decline", contact, step)

    def reply(self, contact: Seen, step: Step) -> list[wire.Decision]:
        body = {f"body_{name}": value for name, value in _BLOB.items()}
        return self._act("case.reply", contact, step, body | _given(then=step.then))

    def resolve(self, contact: Seen, step: Step) -> list[wire.Decision]:
        return self._act("case.resolve", contact, step, {"reason": "done"})

    def escalate(self, contact: Seen, step: Step) -> list[wire.Decision]:
        return self._act("case.escalate", contact, step, _given(tier=step.tier))

    def transfer(self, contact: Seen, step: Step) -> list[wire.Decision]:
        note = {f"note_{name}": value for name, value in _BLOB.items()}
        to = _given(to_agent=step.to_agent, to_queue=step.to_queue)
        return self._act("case.transfer", contact, step, note | to)

    def assign(self, contact: Seen, step: Step) -> list[wire.Decision]:
        data = {"to_agent": step.to_agent or "", "reason": "scenario"}
        given = {"case_id": contact.case_id, "actor": SUPERVISOR}
        return self._stage.ask("case.assign", contact.pool, data=data, **given)

    def alert(self, contact: Seen, step: Step) -> list[wire.Decision]:
        data = {"clock": "first_response", "cycle": 1, "stage": "warning"}
        asked = _given(tier_at_least=step.tier, priority_at_least=step.priority)
        data_all = data | asked | {"due_ms": self._stage.now_ms}
        return self._stage.ask("sla.alert", contact.pool, case_id=contact.case_id, data=data_all)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_PRESENCES = {"away": "away", "offline": "offline", "lost": "offline", "back": "available"}
"""What an agent is after a verb."""

_ACTS: dict[str, Callable[[_Play, Seen, Step], list[wire.Decision]]] = {
    "accept": _Play.accept,
    "decline": _Play.decline,
    "reply": _Play.reply,
    "resolve": _Play.resolve,
    "escalate": _Play.escalate,
    "transfer": _Play.transfer,
    "assign": _Play.assign,
    "alert": _Play.alert,
}
