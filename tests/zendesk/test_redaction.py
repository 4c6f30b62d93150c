"""Taking words out of a ticket, and a name out of a requester's record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.core.desk import Customer, TicketUpdate
from bridge.errors import VendorGoneError, VendorRefusedError
from bridge.zendesk.redaction import mark
from tests.zendesk.conftest import HOME

API = f"{HOME}/api/v2"
HTML = '<div class="zd-comment">It logs me out.<br>See <a href="https://plaza.example/p/1">the post</a></div>'
MARKED = (
    '<div class="zd-comment"><redact>It logs me out.</redact><br><redact>See </redact>'
    '<redact><a href="https://plaza.example/p/1">the post</a></redact></div>'
)


def sent(mock: Any) -> Any:
    return [json.loads(call.request.body) for call in mock.calls]


@pytest.fixture
def comments(api):
    """The ticket's comments: the opening one, and one that came with audit 72."""
    rows = [
        {"id": 11, "audit_id": 71, "html_body": HTML, "plain_body": "It logs me out.\nSee the post"},
        {"id": 12, "audit_id": 72, "html_body": "<div>Every hour</div>", "plain_body": "Every hour"},
    ]
    return api.get(f"{API}/tickets/7/comments.json", json={"comments": rows, "meta": {"has_more": False}})


def test_every_word_of_the_comment_is_marked(api, desk, comments):
    """Its markup stays as it was, or Zendesk would not know the comment again; links go whole."""
    made = api.put(f"{API}/comment_redactions/11.json", json={"comment": {"id": 11}})
    desk.redact("7", None)
    assert sent(made) == [{"ticket_id": 7, "html_body": MARKED}]


def test_a_later_comment_is_found_by_its_update(api, desk, comments):
    """What the ledger keeps of a comment is the id of the update that brought it."""
    made = api.put(f"{API}/comment_redactions/12.json", json={"comment": {"id": 12}})
    desk.redact("7", "72")
    assert sent(made) == [{"ticket_id": 7, "html_body": "<div><redact>Every hour</redact></div>"}]
    with pytest.raises(VendorGoneError, match="no such comment"):
        desk.redact("7", "73")


@pytest.mark.parametrize("status", [403, 404, 422])
def test_an_account_without_the_newer_way_gets_the_older_one(api, desk, comments, status):
    """One string at a time; a token or a plan that allows the one may not allow the other."""
    api.put(f"{API}/comment_redactions/11.json", json={"error": "Forbidden"}, status=status)
    made = api.put(f"{API}/tickets/7/comments/11/redact.json", json={"comment": {"id": 11}})
    desk.redact("7", None)
    assert sent(made) == [{"text": "It logs me out."}, {"text": "See the post"}]


def test_a_role_that_may_not_redact_is_a_refusal_and_no_fault_of_the_credentials(api, desk, comments):
    """It must not park the lane on which every other ticket waits."""
    api.put(f"{API}/comment_redactions/11.json", json={"error": "Forbidden"}, status=403)
    api.put(f"{API}/tickets/7/comments/11/redact.json", json={"error": "Forbidden"}, status=403)
    with pytest.raises(VendorRefusedError, match="may not redact"):
        desk.redact("7", None)


def test_what_is_redacted_already_is_left_alone():
    """So that a second try after a lost answer changes nothing."""
    assert mark("<div>▇▇▇ ▇▇<br>&nbsp;</div>") is None
    assert mark("<div>▇▇▇<br>and more</div>") == "<div>▇▇▇<br><redact>and more</redact></div>"


def test_a_requester_loses_the_name_and_the_social_identity(api, desk):
    """Only while the record is the one that we made."""
    api.get(f"{API}/users/35.json", json={"user": {"id": 35, "external_id": "social:plaza:dewi"}})
    made = api.put(f"{API}/users/35.json", json={"user": {"id": 35}})
    nobody = Customer("social:plaza:erased:1", "Erased customer")
    assert desk.rename_customer("35", nobody, lambda external_id: external_id.endswith(":dewi"))
    assert sent(made) == [{"user": {"name": "Erased customer", "external_id": "social:plaza:erased:1"}}]
    assert not desk.rename_customer("35", nobody, lambda _external_id: False)
    assert len(made.calls) == 1


def test_a_record_that_is_renamed_or_gone_is_not_touched_again(api, desk):
    """A repeated call, and a user whom an admin has deleted."""
    nobody = Customer("social:plaza:erased:1", "Erased customer")
    api.get(f"{API}/users/35.json", json={"user": {"id": 35, "external_id": nobody.external_id}})
    api.get(f"{API}/users/36.json", json={"error": "RecordNotFound"}, status=404)
    assert desk.rename_customer("35", nobody, lambda _external_id: False)
    assert not desk.rename_customer("36", nobody, lambda _external_id: True)


def test_a_subject_is_changed_where_it_is_given(api, desk):
    """An update without one leaves it alone."""
    made = api.put(f"{API}/tickets/7.json", json={"audit": {"id": 1}})
    desk.update_ticket(TicketUpdate("7", subject="Plaza: (erased)"), "stamp")
    desk.update_ticket(TicketUpdate("7", text="hello"), "stamp")
    assert sent(made)[0]["ticket"] == {"subject": "Plaza: (erased)", "metadata": {"bridge_stamp": "stamp"}}
    assert "subject" not in sent(made)[1]["ticket"]
