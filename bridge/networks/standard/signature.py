"""Standard Webhooks signatures, version 1: checking the sender's, and making ours.

The signed bytes are ``<id>.<timestamp>.<raw body>``; the signature is HMAC-SHA256
in base64 behind ``v1,``. Obeys
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from bridge.errors import UnauthenticRequestError

TOLERANCE = timedelta(minutes=5)

_ID = re.compile(r"[\x21-\x7e]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def decode_secret(secret: str) -> bytes | None:
    """The key behind ``whsec_…`` (the prefix may be missing); None if there is none."""
    try:
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    # Anybody can sign with an empty key.
    return key or None


def sign(key: bytes, delivery_id: str, timestamp: str, body: bytes) -> str:
    """One entry of a ``webhook-signature`` header."""
    signed = b".".join((delivery_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def verify(secrets: Iterable[str], body: bytes, headers: Mapping[str, str], now: datetime) -> str:
    """Return the ``webhook-id`` of an authentic request.

    *headers* has lower-case names. Any of *secrets* and any of the request's
    signatures may be the one that fits; signatures of other versions are passed
    over. Raises UnauthenticRequestError and nothing else.
    """
    delivery_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(delivery_id):
        raise UnauthenticRequestError("webhook-id is missing or malformed")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise UnauthenticRequestError("webhook-timestamp is missing or malformed")
    if abs(int(timestamp) - now.timestamp()) > TOLERANCE.total_seconds():
        raise UnauthenticRequestError("webhook-timestamp is outside of five minutes")
    keys = [key for secret in secrets if (key := decode_secret(secret))]
    if not keys:
        raise UnauthenticRequestError("the account has no usable secret")
    expected = [sign(key, delivery_id, timestamp, body).encode() for key in keys]
    given = [entry.encode(errors="replace") for entry in headers.get("webhook-signature", "").split()]
    # Every pair is compared, so that the time taken tells nothing about which one fits.
    fits = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]
    if not any(fits):
        raise UnauthenticRequestError("no signature fits")
    return delivery_id
