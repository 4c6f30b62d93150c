"""Replies that would wait for a person each time are faults; those that only might are none."""

from __future__ import annotations

import pytest

from bridge.errors import MappingError
from bridge.routing.load import load_files
from tests.routing.catalogue import NETWORKS
from tests.routing.test_faulty import base_files

CLOSING = "replies/kopi/closing.en.txt.j2"
LONG = "This is sorted. " * 40


def faults(**files: str) -> list[str]:
    given = {name.replace("__", "/"): text for name, text in files.items()}
    try:
        load_files({**base_files(), **given}, NETWORKS)
    except MappingError as error:
        return [f"{fault.rule}: {fault.message}" for fault in error.faults]
    return []


def closing(text: str, **files: str) -> list[str]:
    return faults(**{CLOSING: text, **files})


@pytest.mark.parametrize("word", ["customer", "promise", "resolution"])
def test_a_reply_that_may_be_short_is_not_too_long(word):
    """What an agent writes, and what a customer is called, is not known yet."""
    assert closing(f"Sorted. {{% if {word} %}}{LONG}{{% endif %}}") == []
    assert closing(f"Sorted. {{% if not {word} %}}{LONG}{{% endif %}}") == []


def test_a_reply_that_is_too_long_in_its_shortest_form_is_a_fault():
    """With the count, the network and its limit; the mention of the customer counts."""
    [told] = closing("{{ resolution }} " + LONG + " {{ customer }}")

    assert told == "reply-beyond-limit: 642 characters at the least, and Mastodon takes 500"


def test_a_limit_that_only_the_environment_knows_is_not_guessed():
    """The account's text_limit is read when the bridge runs."""
    brands = base_files()["brands.yaml"]
    url = "url: https://social.example"
    assert url in brands
    given = {"brands.yaml": brands.replace(url, f"{url}\n        text_limit: {{env: LIMIT}}")}

    assert closing(LONG, **given) == []


def test_only_networks_that_a_reply_is_posted_on_count():
    """A route's own reply, for posts of another account."""
    brands = base_files()["brands.yaml"]
    account = "      kopi-post:\n        network: standard\n        secret: {env: S}\n"
    given = {"brands.yaml": brands.replace("tag_sources:", f"{account}tag_sources:")}
    routes = (
        "routes:\n  - {name: own, when: {networks: [%s], tags: [praise]}, queue: support, "
        "closing_template: long}\n"
    )
    told = [
        faults(**given, **{"replies/kopi/long.en.txt.j2": LONG, "routes/20-own.yaml": routes % network})
        for network in ("mastodon", "standard")
    ]

    assert [[one.rpartition(", and ")[2] for one in found] for found in told] == [
        ["Mastodon takes 500"],
        ["Signed webhook takes 500"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Sorted. See [1] and https://help.kopi.example, {{ customer }}.",
        "Sorted [SOLVED]. {{ promise }} {{ handle }} 50 % off",
        "Hi{% if customer %} {{ customer }}{% endif %}, sorted.",
        "Sorted. {# ask joe@kopi.example before you change this #}",
    ],
)
def test_a_reply_that_may_leave_is_none(text):
    """What is filled in, and notes for colleagues, are no words of the reply."""
    assert closing(text) == []


def test_an_address_that_is_only_put_together_is_found_as_well():
    """It stands on no line; what is filled in makes it."""
    [told] = closing("Sorted. Write to help@{{ brand }}.example")

    assert told == (
        "reply-held: the airlock would hold what is filled in: "
        "an e-mail address would be public (it starts with h…)"
    )
