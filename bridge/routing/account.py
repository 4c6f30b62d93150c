"""Accounts and tag sources: what each network wants of them, and secrets by name only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.account import Account, AccountField, FieldKind
from bridge.core.ports import Network
from bridge.routing.entry import AccountShape
from bridge.routing.fit import Section, fit
from bridge.routing.model import AccountEntry, Place
from bridge.routing.nodes import Node, Report, Spot, nearest
from bridge.routing.shape import WEB_ADDRESS, EnvRef, Known

_OWN = ("network", "handle")


@dataclass(slots=True)
class _Fields:
    """What was given for the network's own fields, by kind."""

    plain: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    from_env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountReader:
    """Reads accounts, and reports what is wrong with them."""

    known: Known
    networks: Mapping[str, Network]
    report: Report

    def read(self, entries: Section) -> list[AccountEntry]:
        """The accounts in *entries* that are whole."""
        accounts = (self._account(key, spot, node) for key, (spot, node) in entries.items())
        return [account for account in accounts if account is not None]

    def _account(self, key: str, spot: Spot, node: Node) -> AccountEntry | None:
        entry = fit(node, spot, AccountShape, self.known, self.report)
        if entry is None or node.entries is None:
            return None
        wanted = {want.name: want for want in self.networks[entry.network].account_fields}
        fields = _Fields()
        for name, (at, value) in node.entries.items():
            if name in wanted:
                self._fill(fields, wanted[name], value)
            elif name not in _OWN:
                hint = nearest(name, (*_OWN, *wanted))
                self.report.add(at, "unknown-key", f'"{name}" means nothing for {entry.network}{hint}')
        for want in wanted.values():
            if want.required and want.name not in node.entries:
                self.report.add(spot, "missing-key", f'"{want.name}" must be given: {want.help}')
        return AccountEntry(
            key=key,
            network=entry.network,
            handle=entry.handle,
            fields=fields.plain,
            secrets=fields.secrets,
            place=Place(spot.file, spot.line),
            env_fields=fields.from_env,
        )

    def _fill(self, fields: _Fields, want: AccountField, node: Node) -> None:
        """Put one field of the network where it belongs. A secret is never repeated in a fault."""
        if node.entries is not None:
            reference = fit(node, node.spot, EnvRef, self.known, self.report)
            if reference is not None:
                target = fields.secrets if want.kind is FieldKind.SECRET else fields.from_env
                target[want.name] = reference.env
        elif want.kind is FieldKind.SECRET:
            advice = "write {env: NAME}, the name of an environment variable, never the secret itself"
            self.report.add(node.spot, "secret-in-file", f"{want.name}: {advice}")
        elif problem := _problem(want, node):
            rule, message = problem
            self.report.add(node.spot, rule, f"{want.name}: {message}")
        else:
            fields.plain[want.name] = str(node.scalar)


def _problem(want: AccountField, node: Node) -> tuple[str, str] | None:
    scalar = node.scalar
    if want.kind is FieldKind.NUMBER:
        if isinstance(scalar, int) and not isinstance(scalar, bool):
            return None
        return "wrong-type", "must be a whole number"
    if not isinstance(scalar, str):
        return "wrong-type", "must be text; put a number, true or false in quotes"
    if want.kind is FieldKind.URL and not re.fullmatch(WEB_ADDRESS, scalar):
        return "bad-url", "must be a web address that starts with https://, or {env: NAME}"
    return None


def network_label(entry: AccountEntry, network: Network) -> str:
    """What people call the account's network."""
    return entry.fields.get("label") or network.label


def public_account(entry: AccountEntry, brand: str) -> Account:
    """The account without its secrets. What the environment holds is shown by its name."""
    unread = {name: f"${variable}" for name, variable in entry.env_fields.items()}
    return Account(entry.key, entry.network, brand, entry.handle, fields={**entry.fields, **unread})
