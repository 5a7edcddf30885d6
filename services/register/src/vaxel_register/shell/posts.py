"""The API's writes: each becomes one command, and its answer is the router's."""

from __future__ import annotations

import re
import uuid

from aiohttp import web

from vaxel_register.core import present
from vaxel_register.core.access import Principal, Role, relation
from vaxel_register.core.limits import IDEMPOTENCY_CHARS_MAX
from vaxel_register.core.requests import (
    Answer,
    Elsewhere,
    Merge,
    Presence,
    Request,
    Split,
    Switch,
    Write,
)
from vaxel_register.core.routes import BASE
from vaxel_register.core.timeline import own_reasons
from vaxel_register.core.writes import (
    answer_data,
    body_sha256,
    data_of,
    make_command,
    outcome,
    text_of,
)
from vaxel_register.shell.commander import Asked, Commander, KeyReused
from vaxel_register.shell.edge import Call, Refusal, answer_json
from vaxel_register.shell.queries import Queries, Row
from vaxel_register.shell.reads import find_case
from vaxel_shared import ids, reasons
from vaxel_shared.contracts.commands import Command

KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]+")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Posts:
    """Handlers by the name of their route."""

    def __init__(self, *, queries: Queries, commander: Commander, agents_see_reasons: str) -> None:
        self._queries = queries
        self._commander = commander
        self._all_reasons = agents_see_reasons == "all"

    async def accept(self, call: Call) -> web.Response:
        """Take an offer."""
        return await self._answer_offer(call, "offer.accept")

    async def decline(self, call: Call) -> web.Response:
        """Leave an offer."""
        return await self._answer_offer(call, "offer.decline")

    async def on_case(self, call: Call) -> web.Response:
        """Reply, note, resolve, wait, transfer, escalate."""
        request = call.took(Write)
        case = await find_case(self._queries, call)
        principal, case_id = call.principal, case["id"]
        former = request.token is not None and await self._queries.was_assigned(
            case_id, principal.subject
        )
        how = relation(principal, pool=case["pool"], owner=case["agent_id"], former=former)
        call.need(how)
        asked = _asked(call, request)
        text = text_of(request)
        stored = await self._commander.keep_text(*text) if text is not None else None
        type_, data = data_of(request, stored)
        if isinstance(request, Merge | Split):
            number = request.into if isinstance(request, Merge) else request.merged
            data["target"] = await self._other(call, number)
        command = make_command(
            principal,
            id_=_command_id(call, asked, case["number"]),
            type_=type_,
            pool=case["pool"],
            data=data,
            case_id=case_id,
            agent_id=_agent_of(principal),
            token=request.token or await self._present_token(case_id),
        )
        return await self._submit(call, command, asked)

    async def _other(self, call: Call, number: str) -> str:
        """The id of another case that a body names. Raises Refusal (404)."""
        row = await self._queries.case(number)
        if row is None:
            raise Refusal(404, "unknown_case", f"there is no case {number}; see GET /cases")
        call.need(relation(call.principal, pool=row["pool"], owner=row["agent_id"]))
        return str(row["id"])

    async def presence(self, call: Call) -> web.Response:
        """Say whether an agent takes work."""
        return await self._of_agent(call, call.took(Presence))

    async def elsewhere(self, call: Call) -> web.Response:
        """Say what an agent has in hand in a tool of their own."""
        return await self._of_agent(call, call.took(Elsewhere))

    async def _of_agent(self, call: Call, request: Request) -> web.Response:
        agent_id = call.name("id")
        row = await self._queries.agent(agent_id)
        how = relation(call.principal, pool=row["pool"] if row else None, owner=agent_id)
        call.need(how)
        if row is None:
            raise Refusal(404, "unknown_agent", "no roster has this agent; see GET /agents")
        asked = _asked(call, request)
        type_, data = data_of(request, None)
        command = make_command(
            call.principal,
            id_=_command_id(call, asked, agent_id),
            type_=type_,
            pool=row["pool"],
            data=data,
            agent_id=agent_id,
        )
        return await self._submit(call, command, asked)

    async def switch(self, call: Call) -> web.Response:
        """Close a queue, divert it, call all hands; or end that."""
        request = call.took(Switch)
        pool = request.pool or call.principal.pool
        if pool is None:
            raise Refusal(422, "pool_missing", "name the `pool`: the token belongs to none")
        call.need(relation(call.principal, pool=pool))
        asked = _asked(call, request)
        type_, data = data_of(request, None)
        command = make_command(
            call.principal, id_=_command_id(call, asked, pool), type_=type_, pool=pool, data=data
        )
        return await self._submit(call, command, asked)

    async def _answer_offer(self, call: Call, verb: str) -> web.Response:
        request = call.took(Answer)
        offer_id = call.name("id")
        offer = await self._queries.offer(offer_id)
        if offer is None:
            raise Refusal(
                404, "unknown_offer", "there is no such offer (yet); see the agent's inbox"
            )
        how = relation(call.principal, pool=offer["pool"], owner=offer["agent_id"])
        call.need(how)
        token = request.token or offer["token"]
        command = make_command(
            call.principal,
            # By token and verb, as delivery's links make it: two clicks are one answer.
            id_=ids.event_id(verb, token, offer_id, offer["agent_id"]),
            type_=verb,
            pool=offer["pool"],
            data=answer_data(request, verb, offer_id),
            case_id=offer["case_id"],
            agent_id=offer["agent_id"],
            token=token,
        )
        return await self._submit(call, command, _asked(call, request))

    async def _present_token(self, case_id: str) -> str | None:
        held = await self._queries.held_work(case_id)
        return held["token"] if held is not None else None

    async def _submit(self, call: Call, command: Command, asked: Asked) -> web.Response:
        try:
            rows = await self._commander.submit(command, asked)
        except KeyReused as error:
            raise Refusal(
                422, "idempotency_key_reused",
                "this Idempotency-Key came with another body; take a new key",
            ) from error  # fmt: skip
        headers = {KEY_HEADER: asked.key}
        status, code, params = outcome(rows)
        if status == "refused":
            raise Refusal(
                409,
                code or "refused",
                reasons.refusal(code or "refused", params),
                headers=headers,
                command_id=command.id,
                params=params,
            )
        result = present.command_result(command.id, self._shown(call, rows))
        if status == "pending":
            headers["Location"] = f"{BASE}/commands/{command.id}"
        return answer_json(result, status=202 if status == "pending" else 200, **headers)

    def _shown(self, call: Call, rows: list[Row]) -> list[Row]:
        if self._all_reasons or call.principal.role is not Role.AGENT:
            return rows
        subject = call.principal.subject
        return [{**row, "data": own_reasons(row["data"], subject)} for row in rows]


def _agent_of(principal: Principal) -> str | None:
    """Whose hands the command speaks of: the actor's own, if any roster has them."""
    if principal.role in (Role.AGENT, Role.SENIOR) or principal.pool is not None:
        return principal.subject
    return None


def _asked(call: Call, request: Request) -> Asked:
    """The request's identity. Raises Refusal (422) for a key that is none."""
    key = call.request.headers.get(KEY_HEADER)
    if key is None:
        key = str(uuid.uuid4())
    if len(key) > IDEMPOTENCY_CHARS_MAX or not _KEY.fullmatch(key):
        raise Refusal(
            422, "invalid_idempotency_key",
            f"a key is 1 to {IDEMPOTENCY_CHARS_MAX} visible ASCII characters",
            errors=[{"field": KEY_HEADER, "message": "not a key"}],
        )  # fmt: skip
    trace = call.request.headers.get("traceparent", "")
    return Asked(key, body_sha256(request), trace if _TRACEPARENT.fullmatch(trace) else None)


def _command_id(call: Call, asked: Asked, name: str) -> str:
    """From who asks, which route of which thing, and the key: a repeat is the same command."""
    return ids.event_id(call.principal.subject, f"{call.route.name} {name}", asked.key)
