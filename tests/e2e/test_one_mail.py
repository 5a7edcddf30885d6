"""One mail all the way, as a new user would try it: real SMTP, the real command, a real Kafka.

One system for the whole file, started by ``vaxel up`` on a copy of the example deployment; the
tests are chapters of one story and run in order.
"""

from __future__ import annotations

import json
import re
import smtplib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from e2e.house import House, eventually
from pii_scan import Wanted, scan_export

pytestmark = pytest.mark.e2e
CUSTOMER = "kaisa.nurminen@asiakas.example"


def test_a_mail_is_offered_to_the_one_agent_who_can_take_it(house: House) -> None:
    sent = house.json("send", "email", "--example", "fi-billing")
    house.number = sent["case"]
    inbox = house.api("GET", "/agents/a01/inbox", "a01")[1]
    assert [offer["number"] for offer in inbox["offers"]] == [house.number]


def test_explain_names_the_rule_and_what_ruled_out_the_others(house: House) -> None:
    text = house.vaxel("explain", house.number)
    assert re.search(r"rule billing \(routing\.yaml:\d+\)", text)
    assert "12 agents, 1 could take it" in text
    made = next(e for e in house.case()["timeline"] if e["type"] == "offer.made")
    explain = made["data"]["explain"]
    assert sum(explain["by_code"].values()) == 11
    assert len(explain["rejected"]) == 11


def test_the_customer_has_an_acknowledgement_and_the_agent_a_link_that_changes_nothing(
    house: House,
) -> None:
    notice = eventually(lambda: house.mails(CUSTOMER))[0]
    assert house.number in notice["subject"]
    assert notice["headers"]["Auto-Submitted"] == "auto-replied"
    offer = eventually(lambda: house.mails("a01@agents.vaxel.example"))[0]
    link = re.search(r"http://\S+/offers/\S+", offer["text"])
    assert link is not None
    for _ in range(2):
        with urllib.request.urlopen(link[0], timeout=10) as page:
            assert house.number in page.read().decode()
    assert house.api("GET", "/agents/a01/inbox", "a01")[1]["offers"]


def test_others_and_stale_tokens_are_refused(house: House) -> None:
    offer = house.api("GET", "/agents/a01/inbox", "a01")[1]["offers"][0]
    assert house.api("POST", f"/offers/{offer['id']}/accept", "a02", {})[0] in (403, 404)
    status, problem = house.api("POST", f"/offers/{offer['id']}/accept", "a01", {"token": "0.0"})
    assert (status, problem["title"]) == (409, "stale_token")


def test_accepted_answered_and_the_answer_is_threaded(house: House) -> None:
    offer = house.api("GET", "/agents/a01/inbox", "a01")[1]["offers"][0]
    for _ in range(2):
        assert house.api("POST", f"/offers/{offer['id']}/accept", "a01", {}, "accept")[0] == 200
    body = {"text": "Hei! Hyvitämme toisen veloituksen."}
    status, _ = house.api("POST", f"/cases/{house.number}/reply", "a01", body, "reply")
    assert status == 200
    assert (
        house.api("POST", f"/cases/{house.number}/reply", "a01", {"text": "other"}, "reply")[0]
        == 422
    )
    first = house.case()["timeline"][0]["message"]
    mail = eventually(lambda: [m for m in house.mails(CUSTOMER) if "Hyvitämme" in m["text"]])[0]
    assert (
        mail["headers"]["In-Reply-To"].strip("<>") in json.dumps(first)
        or mail["headers"]["References"]
    )
    assert mail["subject"].count(house.number) == 1
    assert house.case()["status"] == "waiting_customer"


def test_an_answer_reopens_the_case_for_the_same_agent(house: House) -> None:
    words = ["--from", CUSTOMER, "--reply", "--subject", "Re: lasku", "--text", "Kiitos! Milloin?"]
    sent = house.json("send", "email", *words)
    assert house.number in json.dumps(sent)
    offers = house.api("GET", "/agents/a01/inbox", "a01")[1]["offers"]
    assert [offer["number"] for offer in offers] == [house.number]
    assert house.api("POST", f"/offers/{offers[0]['id']}/accept", "a01", {})[0] == 200
    status, _ = house.api("POST", f"/cases/{house.number}/resolve", "a01", {})
    assert status == 200
    assert house.case()["status"] == "resolved"


def test_without_anybody_it_waits_and_a_new_skill_is_used_within_two_seconds(house: House) -> None:
    house.vaxel("agent", "away", "a01")
    house.vaxel("send", "email", "--example", "fi-billing", "--no-wait")
    waiting = eventually(lambda: house.api("GET", "/cases?status=open", "supervisor")[1]["items"])[
        0
    ]
    text = house.vaxel("explain", waiting["number"])
    assert "away" in text
    roster = house.config / "roster.yaml"
    before = roster.read_text()
    after = re.sub(r"(id: a02\b.*?skills: \{)", r"\1billing: 5, ", before, count=1, flags=re.DOTALL)
    assert after != before
    saved = time.time()
    roster.write_text(after)
    offer = eventually(lambda: house.api("GET", "/agents/a02/inbox", "a02")[1]["offers"], 10)[0]
    assert offer["number"] == waiting["number"]
    assert time.time() - saved < 10
    house.vaxel("agent", "back", "a01")


def test_a_bad_line_is_named_and_the_old_configuration_stays(house: House) -> None:
    routing = house.config / "routing.yaml"
    before = routing.read_text()
    line = before[: before.index("    letter:")].count("\n") + 1
    routing.write_text(before.replace("    letter:", "    leter:", 1))
    eventually(lambda: f"routing.yaml:{line}:" in house.account())
    assert "did you mean 'letter'?" in house.account()
    sent = house.json("send", "email", "--example", "en-general")
    assert sent
    routing.write_text(before)


def test_wrong_recipients_and_oversized_mail_get_a_clear_answer(house: House) -> None:
    smtp = house.system.run["smtp"]
    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=20) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("a@x.example", ["nobody@elsewhere.example"], b"Subject: x\r\n\r\nx")
        assert next(iter(refused.value.recipients.values()))[0] == 550
        assert client.docmd("MAIL", "FROM:<a@x.example> SIZE=999999999")[0] == 552


def test_api_refuses_wrong_tokens_and_unknown_cases(house: House) -> None:
    url = f"{house.system.run['services']['register']['url']}/api/v1/cases"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Bearer no"}))
    assert refused.value.code == 401
    assert house.api("GET", "/cases/S00-00000-0", "supervisor")[0] == 404


def test_replay_gives_the_same_bytes_and_the_log_names_nobody(house: House, tmp_path: Path) -> None:
    house.vaxel("log", "export", "--to", str(tmp_path / "log"))
    assert "the same" in house.vaxel("replay", "--from", str(tmp_path / "log"))
    roster = (house.config / "roster.yaml").read_text()
    names = re.findall(r"name: \"?([^\"\n,}]+)", roster)
    assert len(names) >= 12
    wanted = Wanted((*names, "Kaisa Nurminen"), ("Hyvitämme", "Lasku 20417"))
    assert scan_export(tmp_path / "log", wanted) == []


def test_everything_is_still_there_after_stopping_and_starting(house: House) -> None:
    before = house.case()
    assert house.system.stop() == 0
    assert not (house.system.data_dir / "run.json").exists()
    house.system.start()
    assert house.case()["timeline"] == before["timeline"]
    assert len(house.mails(CUSTOMER)) >= 2
    sent = house.json("send", "email", "--example", "sv-technical")
    assert sent


def test_taken_ports_are_named_before_anything_starts(house: House, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vaxel_cli", "up", "--data-dir", str(tmp_path / "other")]
    command += ["--port-offset", str(house.system.port_offset)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "--port-offset" in done.stdout + done.stderr
