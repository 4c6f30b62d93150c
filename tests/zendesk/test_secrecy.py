"""Neither a secret nor a customer's words get into an error, a repr or the log."""

from __future__ import annotations

import logging
import traceback

import pytest

from bridge.core.desk import Customer, TicketDraft, TicketUpdate
from bridge.errors import VendorError
from tests.zendesk.conftest import SECRET, TOKEN, desk_at, json_answer, oauth_account

WORDS = "my card is 4111 and I am furious"
HANDLE = "furious_ann"
ADDRESS = "ann@example.com"
PRIVATE = (WORDS, HANDLE, ADDRESS, SECRET, TOKEN, "test-webhook-secret", "test-api-token")

DRAFT = TicketDraft("bridge:1:0", "7", WORDS, WORDS, (), fields={"permalink": WORDS})
ACTS = {
    "register": lambda desk: desk.register_customer(Customer("mastodon:1", HANDLE)),
    "open": lambda desk: desk.open_ticket(DRAFT, "key-1"),
    "find": lambda desk: desk.find_ticket("bridge:1:0"),
    "update": lambda desk: desk.update_ticket(TicketUpdate("5", WORDS), "stamp-1"),
    "assign": lambda desk: desk.update_ticket(TicketUpdate("5", assignee_email=ADDRESS), "stamp-1"),
    "look": lambda desk: desk.find_update("5", "stamp-1"),
    "read": lambda desk: desk.read_ticket("5"),
    "updates": lambda desk: desk.read_updates("5"),
}
# What Zendesk may say back: sentences that quote the request, in every shape, and shapes of its own.
ECHOES = [
    (status, body)
    for status in (200, 400, 401, 403, 404, 409, 422, 429, 500)
    for body in (
        {"error": {"title": WORDS, "message": HANDLE}},
        {"error": WORDS, "description": WORDS, "details": {WORDS: [{"description": WORDS}]}},
        {"errors": [{"code": WORDS, "title": HANDLE, "detail": ADDRESS}]},
        {
            "ticket": {"id": WORDS},
            "tickets": [WORDS],
            "audits": [{"id": WORDS}],
            "user": WORDS,
            "users": WORDS,
        },
        {"surprise": WORDS},
        [WORDS, HANDLE, ADDRESS],
    )
]


def tell(error: BaseException) -> str:
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_whatever_zendesk_says_back_stays_out_of_errors_and_the_log(loopback, caplog, act):
    """Errors end up in logs, tickets and Slack; even a debug log is no place for a customer."""
    caplog.set_level(logging.DEBUG)
    desk = desk_at(loopback.url)
    raised = 0
    for status, body in ECHOES:
        loopback.answer = lambda asked, said=(status, body): json_answer(said[1], said[0])
        try:
            act(desk)
        except VendorError as error:
            raised += 1
            told = tell(error)
            # The source lines of a traceback name this file's own constants, not their values.
            assert not [private for private in PRIVATE if private in told]
    assert raised == len(ECHOES)
    assert not [private for private in PRIVATE if private in caplog.text]
    assert [record for record in caplog.records if record.name.startswith("urllib3")], "the log was on"


def test_a_success_leaves_no_words_in_the_log_either(loopback, caplog):
    """zenpy writes whole payloads at DEBUG."""
    caplog.set_level(logging.DEBUG)
    loopback.answer = lambda asked: json_answer({"user": {"id": 7, "name": HANDLE}})
    assert ACTS["register"](desk_at(loopback.url)) == "7"
    assert not [private for private in PRIVATE if private in caplog.text]


def test_minting_that_fails_does_not_tell_the_secret(loopback, caplog):
    """Zendesk could quote the request, and requests could quote its body."""
    caplog.set_level(logging.DEBUG)
    for status in (200, 400, 401, 500):
        loopback.tokens = lambda said=status: json_answer({"error": SECRET, "client_secret": SECRET}, said)
        with pytest.raises(VendorError) as caught:
            ACTS["read"](desk_at(loopback.url))
        assert SECRET not in tell(caught.value)
    assert SECRET not in caplog.text


def test_an_account_shows_no_secret():
    """Its repr may stand in any log."""
    account = oauth_account(api_token="test-api-token", webhook_secrets=("test-webhook-secret",))
    assert not [private for private in PRIVATE if private in repr(account)]
