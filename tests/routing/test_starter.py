"""The mapping that ships."""

from __future__ import annotations

import re

import pytest

from bridge import networks
from bridge.routing.airlock import inspect
from bridge.routing.load import load_files
from bridge.routing.model import ClosingPolicy
from bridge.routing.wording import Words, render
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import STARTER


def test_the_starter_has_the_five_tags_that_social_teams_use(starter):
    """Each with a meaning, a route and examples."""
    assert set(starter.tags) == {
        "technical-issue",
        "sales-lead",
        "feature-request",
        "crisis",
        "user-generated-content",
    }
    assert {route.name for route in starter.routes} >= set(starter.tags)
    assert all(len(route.examples) >= 2 for route in starter.routes)


def test_the_starter_has_two_brands_and_a_tag_source(starter):
    """Secrets by the name of their variable; a tag source belongs to no brand."""
    assert starter.account_brand == {
        "kopi-plaza": "kopi",
        "kopi-mastodon": "kopi",
        "rower-mastodon": "rower",
    }
    assert starter.accounts["social-team-tags"].secrets == {"secret": "TAG_SOURCE_SECRET"}
    assert starter.accounts["kopi-plaza"].secrets == {"secret": "KOPI_PLAZA_SECRET"}
    assert starter.accounts["kopi-plaza"].env_fields == {"reply_url": "KOPI_PLAZA_REPLY_URL"}
    assert starter.accounts["kopi-plaza"].fields == {"label": "Plaza"}
    assert starter.accounts["rower-mastodon"].secrets == {"token": "ROWER_MASTODON_TOKEN"}
    assert starter.accounts["rower-mastodon"].env_fields == {"url": "ROWER_MASTODON_URL"}


def test_a_crisis_is_never_closed_without_a_person(starter):
    """And it waits for no opening hours."""
    queue = starter.queues["incident-response"]

    assert queue.closing is ClosingPolicy.APPROVE
    assert queue.calendar is None


@pytest.mark.parametrize("name", ["Anna", "สมชาย", "", "A" * 40])
def test_every_reply_fits_every_network_and_passes_the_airlock(starter, name):
    """In each language, with and without a name, and with room for a mention."""
    for brand, reply, language in starter.templates:
        text = render(starter, brand, reply, language, Words(name, "@anna", "Mastodon")).text

        assert len(text) < 400
        assert inspect(text) == []
        assert text.endswith(starter.brands[brand].signature)


def test_every_brand_closes_in_every_language_that_it_speaks(starter):
    """No brand promises a language that it cannot close in."""
    for brand in starter.brands.values():
        for queue in starter.queues.values():
            for language in brand.languages:
                if queue.ticket:
                    assert (brand.key, queue.closing_template, language) in starter.templates


def test_a_stored_version_is_the_same_mapping(starter):
    """Loaded from its texts, with the same version; another text is another version."""
    again = load_files(starter.files, NETWORKS)
    changed = load_files({**starter.files, "tags.yaml": starter.files["tags.yaml"] + "\n"}, NETWORKS)

    assert again == starter
    assert changed.version != starter.version


def test_every_field_of_an_account_is_explained_to_admins():
    """The table of the starter's page names what each network takes, and no more."""
    page = (STARTER / "README.md").read_text(encoding="utf-8")
    table = page.partition("| network | key |")[2].partition("\n\n")[0]
    explained: set[tuple[str, str]] = set()
    network = ""
    for name, key in re.findall(r"^\| (?:`(\w+)` )?\| `(\w+)` \|", table, re.MULTILINE):
        network = name or network
        explained.add((network, key))

    assert explained == {
        (name, field.name) for name, room in networks.NETWORKS.items() for field in room.account_fields
    }


SAID = "Version 4.2 keeps you logged in."


def test_every_closing_reply_says_the_resolution_where_an_agent_gave_one(starter):
    """In each language that ships; without one, it reads as well."""
    names = {queue.closing_template for queue in starter.queues.values()}
    closing = [key for key in starter.templates if key[1] in names]
    assert len(closing) == len(starter.templates)
    for brand, name, language in closing:
        told, bare = (
            render(starter, brand, name, language, Words("Ana", "@ana@plaza.example", "Plaza", None, said))
            for said in (SAID, "")
        )
        assert told.text.count(SAID) == 1
        assert told.text.replace(f"{SAID} ", "") == bare.text
        assert "  " not in bare.text
