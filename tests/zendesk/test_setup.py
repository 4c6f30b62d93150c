"""``bridge setup zendesk`` and what the doctor says, against a Zendesk that remembers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from bridge.errors import VendorRefusedError
from bridge.zendesk import ZendeskDesk, setup
from bridge.zendesk.setup import Step
from tests.zendesk.conftest import Answer, Asked, Loopback, grant, json_answer, oauth_account

PUBLIC = "https://bridge.example.com"
NAMES = ("webhooks", "triggers", "ticket_fields")


class Admin:
    """The admin's half of Zendesk: lists, creates, changes, and adds fields of its own."""

    def __init__(self, loopback: Loopback) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
        self.user: dict[str, Any] = {"id": 900, "role": "admin"}
        self.refuse: tuple[str, ...] = ()
        self.writes: list[Asked] = []
        loopback.answer = self.answer
        loopback.tokens = lambda: json_answer(grant(scope=self.scope))
        self.scope = "read write"

    def answer(self, asked: Asked) -> Answer:
        path = asked.path.split("?")[0].removeprefix("/api/v2/").replace(".json", "")
        kind, _, rest = path.partition("/")
        if kind in self.refuse:
            return json_answer({"error": {"title": "Forbidden", "message": "…"}}, 403)
        if asked.method == "GET":
            return json_answer(self.show(kind, path))
        self.writes.append(asked)
        (name, given), *_ = asked.json.items()
        if asked.method == "POST":
            return json_answer({name: self.make(kind, given)}, 201)
        found = next(entry for entry in self.kept[kind] if str(entry["id"]) == rest)
        found.update(given)
        return (204, {}, b"") if kind == "webhooks" else json_answer({name: found})

    def show(self, kind: str, path: str) -> dict[str, Any]:
        alone = {
            "users/me": {"user": self.user},
            "groups": {"groups": [{"id": 9, "name": "Support"}]},
            "brands": {"brands": [{"id": 4, "name": "Acme", "active": True}]},
        }
        if path.endswith("/signing_secret"):
            return {"signing_secret": {"algorithm": "SHA256", "secret": "test-signing-secret"}}
        return alone.get(path) or {kind: self.kept[kind], "meta": {"has_more": False}, "links": {}}

    def make(self, kind: str, given: dict[str, Any]) -> dict[str, Any]:
        """Webhooks have ids of letters and the others numbers; some fields are Zendesk's, and its order."""
        number = len(self.writes)
        made = {
            **given,
            "id": f"01HF{number}" if kind == "webhooks" else number,
            "created_at": "2026-11-20T08:00:00Z",
        }
        if "conditions" in made:
            turned = [{k: _shown(v) for k, v in c.items() if v} for c in made["conditions"]["all"][::-1]]
            made["conditions"] = {"all": turned, "any": []}
        self.kept[kind].append(made)
        return made


def _shown(value: Any) -> Any:
    return True if value == "true" else value


@pytest.fixture
def admin(loopback: Loopback) -> Admin:
    return Admin(loopback)


@pytest.fixture
def account(loopback: Loopback):
    return oauth_account(url=loopback.url, public_url=PUBLIC, webhook_secrets=("test-signing-secret",))


def actions(steps: list[Step]) -> list[str]:
    return [step.action for step in steps]


def test_a_dry_run_says_what_would_be_made_and_writes_nothing(admin, account):
    """An admin reads it before anything changes."""
    steps = setup.plan(account, PUBLIC)
    assert actions(steps) == ["created"] * 6
    assert not any(step.applied for step in steps)
    assert [step.what for step in steps] == [
        'webhook "bridge: social bridge"',
        'trigger "bridge: social bridge: public answer"',
        'trigger "bridge: social bridge: status changed"',
        'ticket field "Social network"',
        'ticket field "Social permalink"',
        'ticket field "Public resolution"',
    ]
    assert admin.writes == []


def test_run_twice_it_changes_nothing(admin, account):
    """Titles are not unique in Zendesk: without a look-up there would be two of each."""
    first = setup.apply(account, PUBLIC)
    assert actions(first) == ["created"] * 6
    assert all(step.applied for step in first)
    wrote = len(admin.writes)
    again = setup.apply(account, PUBLIC)
    assert actions(again) == ["unchanged"] * 6
    assert not any(step.applied for step in again)
    assert len(admin.writes) == wrote == 6


def test_what_it_makes_calls_us_with_ids_only(admin, account):
    """Free text in the body would have to be escaped, and Zendesk does not say that it is."""
    setup.apply(account, PUBLIC)
    (webhook,) = admin.kept["webhooks"]
    assert webhook["endpoint"] == "https://bridge.example.com/hooks/zendesk"
    assert webhook["subscriptions"] == ["conditional_ticket_events"]
    for trigger in admin.kept["triggers"]:
        (action,) = trigger["actions"]
        assert action["field"] == "notification_webhook"
        webhook_id, body = action["value"]
        assert webhook_id == webhook["id"]
        assert json.loads(body)["schema"] == 1
        assert json.loads(body)["ticket_id"] == "{{ticket.id}}"
        assert "comment" not in body.replace("agent_public_comment", "")
        tags = {"field": "current_tags", "operator": "includes", "value": "social_bridge"}
        assert tags in trigger["conditions"]["all"]


@pytest.mark.parametrize(
    ("kind", "index", "change"),
    [
        ("webhooks", 0, {"endpoint": "https://old.example.com/hooks/zendesk"}),
        ("webhooks", 0, {"status": "inactive"}),
        ("triggers", 0, {"active": False}),
        ("triggers", 1, {"conditions": {"all": [], "any": []}}),
        ("triggers", 1, {"actions": [{"field": "notification_webhook", "value": ["gone", "{}"]}]}),
        ("ticket_fields", 1, {"active": False}),
    ],
)
def test_what_somebody_changed_is_repaired(admin, account, kind, index, change):
    """A switched-off trigger is a loop that never closes."""
    setup.apply(account, PUBLIC)
    admin.kept[kind][index].update(change)
    assert actions(setup.plan(account, PUBLIC)).count("repaired") == 1
    assert next(iter(change)) in str(admin.kept[kind][index])
    repaired = [step for step in setup.apply(account, PUBLIC) if step.action != "unchanged"]
    assert [(step.action, step.applied) for step in repaired] == [("repaired", True)]
    assert actions(setup.apply(account, PUBLIC)) == ["unchanged"] * 6


def test_other_peoples_things_are_left_alone(admin, account):
    """The account has webhooks and triggers of its own."""
    theirs = {"id": "1", "title": "Notify requester", "active": False, "conditions": {}, "actions": []}
    admin.kept["triggers"].append(dict(theirs))
    setup.apply(account, PUBLIC)
    assert admin.kept["triggers"][0] == theirs


def test_the_signing_secret_is_shown_on_demand(admin, account):
    """For ZENDESK_WEBHOOK_SECRET; before there is a webhook there is none."""
    with pytest.raises(VendorRefusedError, match="bridge setup zendesk"):
        setup.signing_secret(account)
    setup.apply(account, PUBLIC)
    assert setup.signing_secret(account) == "test-signing-secret"


def findings(account, groups=("Support",), brands=("Acme",)) -> dict[str, tuple[bool, str]]:
    found = ZendeskDesk(account).check(groups, brands)
    assert all(finding.fix for finding in found if not finding.ok), "a fault without its fix"
    return {finding.check: (finding.ok, f"{finding.detail}; {finding.fix}") for finding in found}


def faults(account, **asked: Any) -> dict[str, str]:
    return {check: text for check, (ok, text) in findings(account, **asked).items() if not ok}


def test_after_setup_the_doctor_finds_nothing(admin, account):
    """Sign-in, scopes, clock, names, webhook and triggers."""
    setup.apply(account, PUBLIC)
    found = findings(account)
    assert [check for check, (ok, _) in found.items() if not ok] == []
    assert len(found) == 11


def test_before_setup_the_doctor_says_what_to_run(admin, account):
    """One fault a line, each with its fix."""
    found = faults(account)
    assert "Zendesk webhook" in found
    assert "Zendesk ticket field permalink" in found
    assert all("bridge setup zendesk" in text for text in found.values())


def test_the_doctor_names_groups_and_brands_that_do_not_exist(admin, account):
    """A group misspelt in the mapping would refuse every ticket of its queue."""
    setup.apply(account, PUBLIC)
    assert sorted(faults(account, groups=("Support", "Sales"), brands=("Other",))) == [
        "Zendesk brand Other",
        "Zendesk group Sales",
    ]


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"id": None, "name": "Anonymous user", "role": "end-user"}, "anonymous"),
        ({"id": 7, "role": "end-user"}, "no agent"),
    ],
)
def test_a_200_for_nobody_is_no_sign_in(admin, account, user, said):
    """Zendesk answers 200 with an anonymous user to whoever is not signed in."""
    admin.user = user
    (text,) = faults(account).values()
    assert said in text


def test_wrong_credentials_are_one_finding(loopback, account):
    """Nothing else can be asked then, and one cause should not fill the screen."""
    loopback.tokens = lambda: json_answer({"error": "invalid_client"}, 401)
    assert list(faults(account)) == ["Zendesk sign-in"]


def test_scopes_that_were_not_granted_are_named(admin, account):
    """A misspelt scope is granted without a word and then gets 403 everywhere."""
    setup.apply(account, PUBLIC)
    admin.scope = "read tickets:write"
    assert "users:write" in faults(account)["Zendesk scopes"]


def test_a_webhook_that_points_elsewhere_is_a_fault(admin, account):
    """The staging bridge was set up last."""
    setup.apply(account, "https://staging.example.com")
    assert list(faults(account)) == ["Zendesk webhook"]


def test_a_trigger_that_was_switched_off_is_a_fault(admin, account):
    """By its title, so that the admin finds it."""
    setup.apply(account, PUBLIC)
    admin.kept["triggers"][1]["active"] = False
    del admin.kept["triggers"][0]
    assert faults(account) == {
        "Zendesk trigger bridge: social bridge: public answer": "does not exist; run: bridge setup zendesk",
        "Zendesk trigger bridge: social bridge: status changed": "differs; run: bridge setup zendesk",
    }


def test_what_the_user_may_not_see_is_a_finding_and_no_crash(admin, account):
    """Agents may not list webhooks; admins may."""
    setup.apply(account, PUBLIC)
    admin.refuse = ("webhooks",)
    assert "admin" in faults(account)["Zendesk webhook"]
    admin.refuse = ("groups",)
    assert list(faults(account)) == ["Zendesk groups"]


def test_an_unset_address_or_secret_is_a_finding(admin, loopback):
    """Without them every webhook is lost or refused."""
    nowhere = oauth_account(url=loopback.url)
    assert "BRIDGE_PUBLIC_URL" in faults(nowhere)["Zendesk webhook"]
    unsigned = oauth_account(url=loopback.url, public_url=PUBLIC)
    assert "ZENDESK_WEBHOOK_SECRET" in faults(unsigned)["Zendesk webhook secret"]


def test_a_clock_that_is_off_is_a_finding(admin, account, loopback):
    """Signatures ten minutes old are refused: a wrong clock would refuse them all."""
    setup.apply(account, PUBLIC)
    loopback.date = format_datetime(datetime.now(UTC) - timedelta(seconds=95), usegmt=True)
    assert list(faults(account)) == ["clock against Zendesk"]


def test_the_old_token_is_a_finding(admin, loopback):
    """It works today and stops on a known day."""
    account = oauth_account(
        url=loopback.url,
        public_url=PUBLIC,
        client_id=None,
        client_secret=None,
        email="bridge@example.com",
        api_token="test-api-token",
    )
    assert "2027-04-30" in faults(account)["Zendesk scopes"]
