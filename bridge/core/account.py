"""A brand's account on a network, with its credentials resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FieldKind(StrEnum):
    """How a field of an account is written in ``brands.yaml``."""

    SECRET = "secret"  # noqa: S105 - the name of an environment variable, never the value
    URL = "url"
    TEXT = "text"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class AccountField:
    """One field that a network wants of its accounts, beside key, network and handle."""

    name: str
    kind: FieldKind
    help: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a room gets it.

    ``key`` is the admins' short name, unique in the installation and part of the
    webhook's address. ``secrets`` holds, for each secret field, the values that are
    valid now (several during rotation, newest first); it never shows in a repr.
    """

    key: str
    network: str
    brand: str
    handle: str
    fields: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def secret(self, name: str) -> str:
        """The newest value of the secret *name*; empty when it is not set."""
        values = self.secrets.get(name, ())
        return values[0] if values else ""
