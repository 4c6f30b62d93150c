"""What ``bridge doctor`` and ``bridge mappings check --live`` ask of Zendesk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from bridge.core.ports import Finding, Named, Standing
from bridge.errors import SettingsError, VendorError
from bridge.zendesk.body import UserAnswer, read
from bridge.zendesk.catalogue import FIELD_TITLES, Catalogue, Kind
from bridge.zendesk.client import ZendeskClient
from bridge.zendesk.setup import (
    differs,
    find,
    listed,
    wanted_triggers,
    wanted_webhook,
    webhook_name,
)

GROUP, BRAND, FIELD, CUSTOM, AGENT = "group", "brand", "ticket field", "custom field", "agent"
"""The kinds of names that are looked up in Zendesk. FIELD is one of the bridge's own, CUSTOM an admin's."""

LISTS: dict[str, Kind] = {
    GROUP: "groups",
    BRAND: "brands",
    FIELD: "ticket_fields",
    CUSTOM: "ticket_fields",
}

_SKEW_S = 30.0
_RUN_SETUP = "run: bridge setup zendesk"
_FIXES = {
    GROUP: "create it in Admin Center → Team → Groups",
    BRAND: "create it in Admin Center → Account → Brands",
    FIELD: _RUN_SETUP,
    CUSTOM: "create it in Admin Center → Objects and rules → Tickets → Fields",
    AGENT: "name an agent who may sign in, by e-mail address, or take it away",
}


def check_account(
    client: ZendeskClient, catalogue: Catalogue, groups: Collection[str], brands: Collection[str]
) -> list[Finding]:
    """Everything that must hold for the bridge to work with this account. Raises nothing of a vendor."""
    findings = list(_signed_in(client))
    if not all(finding.ok for finding in findings):
        return findings  # nothing else can be asked, and one cause should give one finding
    findings += _scopes(client)
    findings += _clock(client)
    for kind, names in ((GROUP, groups), (BRAND, brands), (FIELD, FIELD_TITLES)):
        findings += _found(kind, look_up(kind, names, finder(catalogue, kind)))
    findings += _hooks(client)
    return findings


def finder(catalogue: Catalogue, kind: str) -> Callable[[str], int | None]:
    """What gives the id of a name of that *kind*, or None when there is none."""
    return {
        "groups": catalogue.group,
        "brands": catalogue.brand,
        "ticket_fields": catalogue.field,
    }[LISTS[kind]]


def look_up(kind: str, names: Collection[str], find_id: Callable[[str], int | None]) -> list[Named]:
    """How each of *names*, which are of that *kind*, stands with this account.

    Raises nothing of a vendor: what could not be asked has no standing.
    """
    wanted = sorted(names)
    found: list[Named] = []
    try:
        for name in wanted:
            there = find_id(name)
            if there is None:
                found.append(Named(kind, name, Standing.MISSING, "does not exist", _FIXES[kind]))
            else:
                found.append(Named(kind, name, Standing.THERE, f"id {there}"))
    except (VendorError, SettingsError) as error:
        # Not asked again for the others: each would wait for the same timeout.
        found += [Named(kind, name, None, str(error)) for name in wanted[len(found) :]]
    return found


def _found(kind: str, named: Collection[Named]) -> Iterator[Finding]:
    for one in named:
        if one.standing is None:
            yield Finding(f"Zendesk {kind}s", False, one.detail, "look again when Zendesk answers")
            return  # one cause, one finding
        there = one.standing is Standing.THERE
        yield Finding(f"Zendesk {kind} {one.name}", there, one.detail, one.fix)


def _signed_in(client: ZendeskClient) -> Iterator[Finding]:
    check = "Zendesk sign-in"
    try:
        # Plain JSON: a null id must be seen, and zenpy would go on to fetch what hangs on it.
        user = read(UserAnswer, client.get("read own user", "/api/v2/users/me.json"), "read own user").user
    except (VendorError, SettingsError) as error:
        yield Finding(check, False, str(error), _sign_in_fix(client))
        return
    if user.id is None:
        # Zendesk answers 200 to nobody.
        yield Finding(check, False, "Zendesk sees an anonymous user", _sign_in_fix(client))
    elif not user.is_staff:
        yield Finding(
            check,
            False,
            f"user {user.id} is no agent",
            "make the OAuth client's user an agent or an admin",
        )
    else:
        yield Finding(check, True, f"user {user.id}, {user.role}")


def _sign_in_fix(client: ZendeskClient) -> str:
    if client.uses_oauth:
        return "check ZENDESK_SUBDOMAIN, ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET, and the client's scopes"
    return "API tokens are being switched off: make an OAuth client (see the Zendesk room's README)"


def _scopes(client: ZendeskClient) -> Iterator[Finding]:
    check = "Zendesk scopes"
    if not client.uses_oauth:
        yield Finding(
            check,
            False,
            "signed in with an API token, which stops working on 2027-04-30",
            "make an OAuth confidential client; set ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET",
        )
        return
    granted = client.granted_scopes
    if granted is None:
        yield Finding(check, True, "the token does not name its scopes")
        return
    missing = [scope for scope in client.scopes if not _covers(granted, scope)]
    if missing:
        yield Finding(check, False, f"missing: {' '.join(missing)}", "allow them on the OAuth client")
    else:
        yield Finding(check, True, " ".join(granted))


def _covers(granted: tuple[str, ...], scope: str) -> bool:
    return scope in granted or scope.rpartition(":")[2] in granted


def _clock(client: ZendeskClient) -> Iterator[Finding]:
    skew = client.session.skew_s
    if skew is None:
        return
    ok = abs(skew) <= _SKEW_S
    fix = "" if ok else "synchronise this machine's clock: signatures and promises depend on it"
    yield Finding("clock against Zendesk", ok, f"{abs(skew):.0f} s apart", fix)


def _hooks(client: ZendeskClient) -> Iterator[Finding]:
    account = client.account
    if account.public_url is None:
        yield Finding(
            "Zendesk webhook",
            False,
            "nobody has said where Zendesk reaches the bridge",
            "set BRIDGE_PUBLIC_URL",
        )
        return
    if not account.webhook_secrets:
        yield Finding(
            "Zendesk webhook secret",
            False,
            "is not set: every webhook is refused",
            "run: bridge setup zendesk --show-secret, and set ZENDESK_WEBHOOK_SECRET",
        )
    try:
        webhook = find(listed(client, "webhooks"), "name", webhook_name(account))
        triggers = listed(client, "triggers")
    except VendorError as error:
        yield Finding(
            "Zendesk webhook", False, str(error), "the service user must be an admin to look at webhooks"
        )
        return
    if webhook is None:
        yield Finding("Zendesk webhook", False, "does not exist", _RUN_SETUP)
        return
    wanted = wanted_webhook(account, account.public_url)
    ok = not differs(wanted, webhook)
    yield Finding(
        "Zendesk webhook", ok, wanted["endpoint"] if ok else "differs from what it should be", _fix(ok)
    )
    for trigger in wanted_triggers(account, str(webhook["id"])):
        found = find(triggers, "title", trigger["title"])
        state = (
            "does not exist" if found is None else "differs" if differs(trigger, found) else "as it should be"
        )
        ok = state == "as it should be"
        yield Finding(f"Zendesk trigger {trigger['title']}", ok, state, _fix(ok))


def _fix(ok: bool) -> str:
    return "" if ok else _RUN_SETUP
