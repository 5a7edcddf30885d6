"""Rules: CEL expressions over a contact, type-checked once and then evaluated for each.

The only module that knows which CEL it is: Google's cel-cpp, as ``cel-expr-python``; a rule takes 2
to 9 µs. A rule that fails on a contact counts as one that doesn't match, and the contact says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from vaxel_shared.config.mentioned import Question, rewritten
from vaxel_shared.config.routing import Rule
from vaxel_shared.config.words import mentions

FLAGS = (
    "auto_reply", "no_auto_response", "bounce", "list", "spam", "spoofed", "reused_id",
)  # fmt: skip
"""Every flag stands as a variable ``flags.<name>`` of its own, so that a misspelt one is found."""

VARIABLES: Mapping[str, Any] = {
    "subject": "",
    "text": "",
    "reply_text": "",
    "content": "",
    "channel": "",
    "account": "",
    "language": "und",
    "sender_domain": "",
    "has_attachment": False,
    "is_reply": False,
    "attachments": [],
    **{f"flags.{name}": False for name in FLAGS},
}
"""What an expression may use, with the values of an empty contact. ``routing.yaml`` of the example
describes each."""

TEXTS = tuple(name for name, value in VARIABLES.items() if isinstance(value, str))
"""What ``mentions`` may be asked of."""

_MISPLACED = re.compile(r"<input>:(\d+):(\d+): ([^\n]*)")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a rule, and its place in the list."""

    index: int
    message: str


class FaultyRulesError(Exception):
    """Every rule that can't be used."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule and its checked expression."""

    rule: Rule
    expression: Any


class RuleBook:
    """All rules of a deployment, in order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Check ``rules``. Raises :class:`FaultyRulesError` with all that is wrong."""
        compiled: list[CompiledRule] = []
        faults: list[Fault] = []
        for index, rule in enumerate(rules):
            try:
                compiled.append(CompiledRule(rule, _compile(rule.when)))
            except ValueError as error:
                faults.append(Fault(index, f"rule {rule.id!r}: {error}"))
        if faults:
            raise FaultyRulesError(faults)
        self._questions: dict[Question, str] = {}
        sources = [self._asked(item.rule.when) for item in compiled]
        # One environment for all: its variables are known only now.
        self._environment = _with_answers(list(self._questions.values()))
        self._rules = tuple(
            CompiledRule(item.rule, self._environment.compile(source))
            for item, source in zip(compiled, sources, strict=True)
        )

    def _asked(self, source: str) -> str:
        """An expression with a variable for each call of ``mentions``."""
        return rewritten(
            source, TEXTS, _literals,
            lambda question: self._questions.setdefault(question, f"asked_{len(self._questions)}"),
        )  # fmt: skip

    def matching(self, facts: Mapping[str, Any]) -> tuple[list[Rule], list[str]]:
        """The rules that hold for ``facts`` (all of :data:`VARIABLES`), up to a final one.

        Second, the ids of rules that failed on them: they count as not matching. Never raises.
        """
        held: list[Rule] = []
        failed: list[str] = []
        answers = {
            name: mentions(str(facts[question.variable]), question.words)
            for question, name in self._questions.items()
        }
        activation = self._environment.Activation({**facts, **answers})
        for item in self._rules:
            outcome = item.expression.eval(activation).value()
            if outcome is True:
                held.append(item.rule)
                if item.rule.final:
                    break
            elif outcome is not False:  # CEL's error values; their text can quote the message
                failed.append(item.rule.id)
        return held, failed


def constant(source: str) -> bool | None:
    """What an expression gives that names no variable, so that it gives it always; else None."""
    empty = _without_variables()
    try:
        outcome = empty.compile(source).eval(empty.Activation({})).value()
    except RuntimeError:
        return None
    return outcome if isinstance(outcome, bool) else None


@lru_cache(maxsize=1)
def _environment() -> Any:
    """The variables with their types, and ``mentions``: for checking, never for a contact."""
    return cel.NewEnv(variables=_types(), functions=_functions())


def _with_answers(names: Sequence[str]) -> Any:
    """The variables, and one for each answer to ``mentions``: see :mod:`.mentioned`."""
    return cel.NewEnv(variables={**_types(), **dict.fromkeys(names, cel.Type.BOOL)})


def _types() -> dict[str, Any]:
    types = {str: cel.Type.STRING, bool: cel.Type.BOOL, list: cel.Type.List(cel.Type.STRING)}
    return {name: types[type(value)] for name, value in VARIABLES.items()}


def _literals(source: str) -> list[str]:
    """The strings in a list of literals, read by CEL's own rules."""
    empty = _without_variables()
    found = empty.compile(source).eval(empty.Activation({})).value()
    return [str(getattr(item, "value", lambda item=item: item)()) for item in found]


@lru_cache(maxsize=1)
def _without_variables() -> Any:
    return cel.NewEnv(variables={}, functions=_functions())


def _functions() -> list[Any]:
    """What an expression may call besides what CEL has."""
    words = cel.Overload(
        "string_mentions_words",
        cel.Type.BOOL,
        [cel.Type.STRING, cel.Type.List(cel.Type.STRING)],
        is_member=True,
        impl=mentions,
    )
    return [cel.FunctionDecl("mentions", [words])]


def _compile(source: str) -> Any:
    """The checked expression. Raises ``ValueError`` in the words of someone who edits the file."""
    try:
        expression = _environment().compile(source)
    except RuntimeError as error:
        raise ValueError(_plain(str(error))) from error
    if expression.return_type() != cel.Type.BOOL:
        kind = expression.return_type().name()
        raise ValueError(f"`when` gives {kind}, not true or false; compare it with something")
    tried = expression.eval(_environment().Activation(dict(VARIABLES)))
    if tried.type() != cel.Type.BOOL:
        raise ValueError(f"fails on an empty message: {_plain(str(tried.value()))}")
    rewritten(source, TEXTS, _literals, lambda _question: "true")  # refuses what can't be
    return expression


def _plain(message: str) -> str:
    """The first complaint of the compiler, with its place in the expression."""
    found = _MISPLACED.search(message)
    if found is None:
        text = " ".join(message.split()).partition(": ")[2] or message
        return text.removesuffix("[CANCELLED]").strip()
    line, column, what = found.groups()
    what = what.replace(" (in container '')", "").strip()
    if what.startswith("undeclared reference"):
        what += "; the variables are listed in the example's routing.yaml"
    place = f"character {column}" if line == "1" else f"line {line}, character {column}"
    return f"{what} (at {place} of `when`)"
