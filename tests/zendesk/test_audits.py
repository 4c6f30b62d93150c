"""Audits, the desk's truth, as the core hears them. A pair of files in fixtures/audits is a test."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.core.desk import Origin, Resolution
from bridge.zendesk.audit import as_update, merge_target, origin_of, sets_fields, withhold
from bridge.zendesk.body import AuditBody, ViaBody

AUDITS = Path(__file__).parent / "fixtures" / "audits"
NAMES = sorted(path.name.removesuffix(".audit.json") for path in AUDITS.glob("*.audit.json"))
STAFF = frozenset({5246746, 900})


def audit(name: str) -> AuditBody:
    return AuditBody.model_validate_json((AUDITS / f"{name}.audit.json").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_an_audit_is_heard_as_the_update_it_was(name):
    """One audit is one update: who, which way, what was said, what became of the status."""
    expected = json.loads((AUDITS / f"{name}.expect.json").read_text())
    expected["at"] = datetime.fromisoformat(expected["at"]).astimezone(UTC)
    expected["merged"] = set(expected.get("merged", ()))
    assert asdict(as_update(audit(name), STAFF)) == {"resolution": None, **expected}


@pytest.mark.parametrize(
    ("author", "channel", "by_hand"),
    [
        (900, "web", True),
        (900, "api", False),
        (900, "rule", False),
        (77, "web", False),
        (900, "email", False),
    ],
)
def test_a_resolution_is_an_agents_own_only_in_the_desks_interface(author, channel, by_hand):
    """Told by the audit: a Change of our field, whose number Zendesk gives as text."""
    change = {
        "id": 2,
        "type": "Change",
        "field_name": "4711",
        "value": " Fixed in 4.2 ",
        "previous_value": None,
    }
    body = {
        "id": 1,
        "created_at": "2026-01-05T12:00:00Z",
        "author_id": author,
        "via": {"channel": channel, "source": {"rel": None}},
        "events": [{**change, "field_name": "4712"}, change],
    }
    read = AuditBody.model_validate(body)

    assert sets_fields(read)
    assert as_update(read, STAFF, 4711).resolution == Resolution("Fixed in 4.2", by_hand=by_hand)
    assert as_update(read, STAFF, None).resolution is None
    assert as_update(read, STAFF, 1).resolution is None


def test_the_status_of_an_update_is_the_last_that_it_set():
    """An agent takes the ticket back, and a trigger solves it in the same breath."""
    statuses = [{"type": "Change", "field_name": "status", "value": value} for value in ("open", "solved")]
    body = {"id": 1, "created_at": "2026-01-05T12:00:00Z", "author_id": 900, "via": {"channel": "web"}}

    assert as_update(AuditBody.model_validate({**body, "events": statuses}), STAFF).status == "solved"


def test_a_resolution_that_a_trigger_writes_is_not_the_agents():
    """It stands in the agent's audit, and its own event tells whose hand it was."""
    trigger = {"channel": "rule", "source": {"from": {"id": 35079792}, "rel": "trigger"}}
    change = {"type": "Change", "field_name": "4711", "value": "Known issue, see INT-7", "via": trigger}
    body = {"id": 1, "created_at": "2026-01-05T12:00:00Z", "author_id": 900, "via": {"channel": "web"}}
    read = AuditBody.model_validate({**body, "events": [change]})

    assert as_update(read, STAFF, 4711).resolution == Resolution("Known issue, see INT-7", by_hand=False)


def test_the_fixtures_are_there():
    """A glob that finds nothing would pass as well."""
    assert len(NAMES) >= 18


@pytest.mark.parametrize(
    "via",
    [
        None,
        {},
        {"channel": "web", "source": {"rel": "follow_up"}},
        {"channel": "web", "source": {"rel": "something_new"}},
        {"channel": "native_messaging"},
        {"channel": "something_new"},
        {"channel": 20},
        {"channel": 999},
    ],
)
def test_what_is_not_known_for_certain_is_not_an_agents_hand(via):
    """Only what certainly comes from Zendesk's own interface may leave by itself."""
    assert origin_of(ViaBody.model_validate(via) if via is not None else None) is Origin.OTHER


@pytest.mark.parametrize(
    "event",
    [
        {"id": 7, "type": "KnowledgeLinkAccepted", "body": {"article": {"id": 1}}},
        {"id": "01J9", "type": "SomethingNew", "public": None, "via": "somewhere", "author_id": "agent"},
        {
            "type": "SomethingNew",
            "via": {"channel": "voice", "source": {"from": "+31", "to": [], "rel": None}},
        },
        {"id": 8, "type": "SomethingNew", "field_name": ["status"], "value": "solved", "comment_id": {}},
        {"id": 9, "field_name": {}, "value": {}},
    ],
)
def test_an_event_that_is_not_read_is_passed_over_whatever_it_holds(event):
    """Zendesk adds types at any time, and asks to ignore them: the rest of the ticket is still read."""
    comment = {"id": 2, "type": "Comment", "author_id": 900, "public": True, "plain_body": "Hello"}
    body = {
        "id": 1,
        "created_at": "2026-01-05T12:00:00Z",
        "author_id": 900,
        "via": {"channel": "web", "source": {"from": "", "to": None, "rel": None}},
        "events": [event, comment],
    }
    read = as_update(AuditBody.model_validate(body), STAFF)
    assert read.comment is not None
    assert (read.comment.text, read.status, read.origin) == ("Hello", None, Origin.INTERFACE)


def test_a_picture_alone_has_no_words():
    """In its Markdown stands an address that every signed-in user may open, and nobody wrote it."""
    picture = {"id": 2, "type": "Comment", "author_id": 900, "public": True, "plain_body": ""}
    picture["body"] = "![](https://acme.zendesk.com/attachments/token/x/?name=image.png)"
    body = {"id": 1, "created_at": "2026-01-05T12:00:00Z", "author_id": 900, "events": [picture]}
    comment = as_update(AuditBody.model_validate(body), STAFF).comment
    assert comment is not None
    assert comment.text == ""


def closing(text: str, via: dict) -> AuditBody:
    events = [
        {"type": "Comment", "id": 1, "public": False, "body": text},
        {"type": "Change", "field_name": "status", "value": "closed"},
    ]
    return AuditBody.model_validate(
        {"id": 9, "created_at": "2026-11-20T08:00:00Z", "author_id": 5246746, "via": via, "events": events}
    )


@pytest.mark.parametrize(
    ("text", "via", "target"),
    [
        ("…", {"channel": "web", "source": {"rel": "merge", "to": {"ticket_id": 700}}}, "700"),
        ("…", {"channel": "merge", "source": {"from": {"ticket_id": 700}}}, "700"),
        ("Żądanie zostało scalone z #700 „Wylogowanie”", {"channel": "web"}, "700"),
        ("This request was closed and merged into request #666", {"channel": "web"}, None),
        ("no number here", {"channel": "web"}, None),
    ],
)
def test_where_a_ticket_was_merged_to_is_found_if_its_audits_tell(text, via, target):
    """In the source of the merge, else in the notice, in whatever language Zendesk writes it."""
    assert merge_target([closing(text, via)], 666) == target


def test_a_number_in_an_older_note_is_no_ticket_that_was_merged_into():
    """Only the notice that came with the closing tells; the customer's replies must go to no stranger."""
    note = {"type": "Comment", "id": 2, "public": False, "body": "Their order is #4711"}
    body = {"id": 8, "created_at": "2026-11-20T07:00:00Z", "author_id": 5246746, "via": {"channel": "web"}}
    older = AuditBody.model_validate({**body, "events": [note]})

    assert merge_target([closing("no number here", {"channel": "web"}), older], 666) is None


@pytest.mark.parametrize(
    ("text", "via", "merged"),
    [
        ("…", {"channel": "web", "source": {"rel": "merge", "from": {"ticket_id": 700}}}, {"700"}),
        (
            "…",
            {"channel": 19, "source": {"from": {"ticket_id": 700, "ticket_ids": [700, 701]}}},
            {"700", "701"},
        ),
        ("Żądania #700 i #701 scalono z tym", {"channel": "web", "source": {"rel": "merge"}}, {"700", "701"}),
        ("…", {"channel": "web", "source": {"rel": "merge", "to": {"ticket_id": 700}}}, set()),
        ("As in #700", {"channel": "web", "source": {"rel": None, "from": {"ticket_id": 700}}}, set()),
    ],
)
def test_which_tickets_were_merged_into_one_is_read_from_its_audit(text, via, merged):
    """The same on the other side: none is named by an update that is no merge."""
    assert as_update(closing(text, via), STAFF).merged == merged


def commented(number: int, *, public: bool) -> AuditBody:
    event = {"id": 10 + number, "type": "Comment", "public": public, "body": "Hello"}
    body = {"id": number, "created_at": "2026-01-05T12:00:00Z", "author_id": 900, "events": [event]}
    return AuditBody.model_validate(body)


@pytest.mark.parametrize(
    ("now_public", "heard"), [(False, [False, True, False]), (True, [True, True, False])]
)
def test_a_comment_that_was_made_internal_later_is_internal(now_public, heard):
    """Told by a later audit. None makes an internal comment public: Zendesk itself has no way to."""
    change = {"id": 99, "type": "CommentPrivacyChange", "comment_id": 11, "public": now_public}
    other = {"id": 98, "type": "CommentPrivacyChange", "comment_id": 13, "public": True}
    events = [change, other, {"id": 97, "type": "CommentRedactionEvent", "comment_id": 12}]
    later = {"id": 4, "created_at": "2026-01-05T12:01:00Z", "author_id": 900, "events": events}
    audits = [commented(1, public=True), commented(2, public=True), commented(3, public=False)]

    withhold([*audits, AuditBody.model_validate(later)])

    comments = [as_update(one, STAFF).comment for one in audits]
    assert [one.public for one in comments if one is not None] == heard
