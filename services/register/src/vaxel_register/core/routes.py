"""The API's routes, in one table: what serves and what the OpenAPI description is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from vaxel_register.core import requests, views
from vaxel_register.core.access import Action

BASE = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``action`` None: anybody, without a token. ``takes``: a body, or a query."""

    name: str
    method: str
    path: str
    summary: str
    action: Action | None
    answers: type[BaseModel]
    takes: type[requests.Request] | None = None

    commands: bool = False
    """Whether it appends a command, and so takes an ``Idempotency-Key``."""
    streams: bool = False
    """Whether it answers events for as long as somebody listens."""

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"


def _read(
    name: str,
    path: str,
    action: Action | None,
    answers: type[BaseModel],
    summary: str,
    *,
    takes: type[requests.Request] | None = None,
) -> Route:
    return Route(name, "GET", BASE + path, summary, action, answers, takes)


def _write(
    name: str, path: str, action: Action, takes: type[requests.Request], summary: str
) -> Route:
    return Route(
        name, "POST", BASE + path, summary, action, views.CommandResult, takes, commands=True
    )


ROUTES: tuple[Route, ...] = (
    _read(
        "cases", "/cases", Action.CASE_READ, views.CaseList,
        "Cases, the newest first.", takes=requests.CasesQuery,
    ),
    _read(
        "case", "/cases/{number}", Action.CASE_READ, views.CaseDetail,
        "A case with its timeline: every interaction, decision with its reasons, and answer.",
    ),
    _read(
        "case_live", "/cases/{number}/live", Action.CASE_READ, views.Live,
        "What the router says of it right now: position, and why it waits.",
    ),
    _read("queues", "/queues", Action.QUEUE_READ, views.QueueList, "Queues and what waits."),
    _read(
        "queues_live", "/queues/live", Action.QUEUE_READ, views.Live,
        "Queues as the router sees them right now.",
    ),
    _read("agents", "/agents", Action.AGENT_READ, views.AgentList, "Agents and their work."),
    _read(
        "agents_live", "/agents/live", Action.AGENT_READ, views.Live,
        "Agents as the router sees them right now.",
    ),
    _read(
        "switches_live", "/switches/live", Action.QUEUE_READ, views.Live,
        "Switches that are on, as the router sees them right now.",
    ),
    _read(
        "inbox", "/agents/{id}/inbox", Action.INBOX_READ, views.Inbox,
        "An agent's pending offers and work in hand.",
    ),
    _read(
        "command", "/commands/{id}", Action.COMMAND_READ, views.CommandResult,
        "What became of a command.",
    ),
    _read(
        "deadletters", "/deadletters", Action.DEADLETTER_READ, views.LetterList,
        "Records that could not be handled.", takes=requests.LettersQuery,
    ),
    Route(
        "events", "GET", BASE + "/events", "Changes as they happen, as server-sent events.",
        Action.CHANGE_READ, views.Change, requests.EventsQuery, streams=True,
    ),
    _read(
        "sla", "/sla", Action.CASE_READ, views.SlaList, "Clocks at risk, what is due first.",
        takes=requests.SlaQuery,
    ),
    _read("draft", "/cases/{number}/draft", Action.CASE_READ, views.Draft,
          "The answer that is being written."),
    Route(
        "draft_put", "PUT", BASE + "/cases/{number}/draft",
        "Keep an answer that is being written: for any browser, and for the case's next owner.",
        Action.CASE_DRAFT, views.Draft, requests.Draft,
    ),
    _read("session", "/session", Action.SELF_READ, views.Session, "Who asks."),
    Route(
        "session_end", "DELETE", BASE + "/session", "Let a browser in no more.",
        Action.SELF_READ, views.Done,
    ),
    _read("demo", "/demo", Action.SELF_READ, views.Demo,
          "Examples to send in, and the local mailbox; only where the example runs."),
    Route(
        "demo_send", "POST", BASE + "/demo/contacts/{name}",
        "Send an example in over real SMTP, as its customer would.",
        Action.DEMO_SEND, views.DemoSent,
    ),
    _read("texts", "/texts", None, views.Texts, "The console's words in a language.",
          takes=requests.TextsQuery),
    _read("openapi", "/openapi.json", None, views.Live, "This description."),
    _write(
        "accept", "/offers/{id}/accept", Action.OFFER_ANSWER, requests.Answer,
        "Take the offered work.",
    ),
    _write(
        "decline", "/offers/{id}/decline", Action.OFFER_ANSWER, requests.Answer,
        "Leave the offered work to somebody else.",
    ),
    _write(
        "reply", "/cases/{number}/reply", Action.CASE_REPLY, requests.Reply,
        "Answer the customer over the channel they came by.",
    ),
    _write(
        "note", "/cases/{number}/note", Action.CASE_NOTE, requests.Note,
        "Write a note that no customer sees.",
    ),
    _write(
        "resolve", "/cases/{number}/resolve", Action.CASE_RESOLVE, requests.Resolve,
        "Close the matter; the customer's next message opens it again.",
    ),
    _write(
        "cancel", "/cases/{number}/cancel", Action.CASE_RESOLVE, requests.Cancel,
        "End what needs nobody (spam, a test, a mistake) without an answer.",
    ),
    _write(
        "wait", "/cases/{number}/wait", Action.CASE_WAIT, requests.Wait,
        "Wait for somebody; frees your hands.",
    ),
    _write(
        "transfer", "/cases/{number}/transfer", Action.CASE_TRANSFER, requests.Transfer,
        "Give it to an agent, a queue or another pool, with a note.",
    ),
    _write(
        "consult", "/cases/{number}/consult", Action.CASE_CONSULT, requests.Consult,
        "Ask another agent, queue or tier for help: a case of its own, whose answer comes back.",
    ),
    _write(
        "approve", "/cases/{number}/approve", Action.CASE_CONSULT, requests.Approve,
        "Ask somebody who may grant an amount to approve it.",
    ),
    _write(
        "answer", "/cases/{number}/answer", Action.CASE_REPLY, requests.Verdict,
        "Answer what was asked.",
    ),
    _write(
        "escalate", "/cases/{number}/escalate", Action.CASE_ESCALATE, requests.Escalate,
        "Give it to a higher tier.",
    ),
    _write(
        "merge", "/cases/{number}/merge", Action.CASE_MERGE, requests.Merge,
        "Let it go into another case; both numbers go on being known.",
    ),
    _write(
        "split", "/cases/{number}/split", Action.CASE_MERGE, requests.Split,
        "Take a case out again that had gone into this one.",
    ),
    _write(
        "suspend", "/cases/{number}/suspend", Action.CASE_SUSPEND, requests.Suspend,
        "Offer what waits to nobody, for a time or until it is resumed.",
    ),
    _write(
        "resume", "/cases/{number}/resume", Action.CASE_SUSPEND, requests.Resume,
        "Let what was suspended wait again, in its place.",
    ),
    _write(
        "presence", "/agents/{id}/presence", Action.AGENT_PRESENCE, requests.Presence,
        "Say whether an agent takes work.",
    ),
    _write(
        "elsewhere", "/agents/{id}/elsewhere", Action.AGENT_PRESENCE, requests.Elsewhere,
        "Say what an agent has in hand in a tool of their own: it takes capacity.",
    ),
    _write(
        "switch", "/switches", Action.SWITCH_SET, requests.Switch,
        "Close a queue, divert it, or call all hands: until an instant, or no longer.",
    ),
)  # fmt: skip
