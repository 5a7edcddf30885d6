"""The description is valid OpenAPI 3.1, covers what is served, and real answers fit it."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from register_kit import NUMBER, Register

from vaxel_register.core.openapi import describe
from vaxel_register.core.routes import ROUTES

SPEC = describe("0.0.0")


def test_the_description_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(SPEC).iter_errors()) == []


def test_every_route_that_is_served_is_described_and_no_other(register: Register) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in register.client.app.router.routes()
        if route.resource is not None
        and route.resource.canonical.startswith("/api/v1")
        and route.method != "HEAD"
    }
    described = {
        (method.upper(), path) for path, methods in SPEC["paths"].items() for method in methods
    }
    assert served == described == {(route.method, route.path) for route in ROUTES}


def test_every_command_may_carry_a_key_and_all_but_two_reads_need_a_token() -> None:
    for route in ROUTES:
        operation = SPEC["paths"][route.path][route.method.lower()]
        names = [parameter["name"] for parameter in operation["parameters"]]
        assert ("Idempotency-Key" in names) == route.commands
        assert route.commands == (route.method == "POST" and route.name != "demo_send")
        assert ("security" in operation) == (route.name in ("openapi", "texts"))


async def test_anybody_may_read_the_description(register: Register) -> None:
    response = await register.client.get("/api/v1/openapi.json")
    body = await response.json()
    assert (response.status, body["paths"]) == (200, SPEC["paths"])


@pytest.mark.parametrize(
    "path",
    ["/cases", f"/cases/{NUMBER}", "/queues", "/agents", "/agents/anna/inbox", "/deadletters",
     "/cases/none", "/queues/live"],
)  # fmt: skip
async def test_answers_fit_their_description(register: Register, path: str) -> None:
    await register.with_case()
    status, body = await register.get(path)
    template = path.replace(NUMBER, "{number}").replace("none", "{number}").replace("anna", "{id}")
    answer: dict[str, Any] = SPEC["paths"][f"/api/v1{template}"]["get"]["responses"][str(status)]
    (content,) = answer["content"].values()
    jsonschema.validate(body, {**content["schema"], "components": SPEC["components"]})
