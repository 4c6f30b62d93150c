"""What every network owes. Each network's tests subclass these and so inherit the duties.

``NetworkContract`` holds for all; ``PushContract`` for those that take webhooks.
Fixtures are pairs in the network's ``fixtures`` folder: ``<what_happened>.body``
(with ``.headers.json`` where it was pushed) and ``.expect.json``. A new pair is
a new test.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import pytest
import responses
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.core.account import Account
from bridge.core.message import Author, SocialMessage, Visibility
from bridge.core.ports import Connection, Exempt, Network
from bridge.core.reply import Obstacle, Reply
from bridge.errors import (
    UnauthenticRequestError,
    UnreadablePayloadError,
    UnsupportedEventError,
    VendorAuthError,
    VendorBusyError,
    VendorError,
    VendorRefusedError,
    VendorUnclearError,
)

RECEIVED_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CUSTOMER_WORDS = "my parcel never came and I am furious"

RUBBISH = {
    "no_utf8": b"\xff\xfe\x00rubbish",
    "truncated": b'{"type": "social.message.created", "data": {"id": "1", "te',
    "deeply_nested": b"[" * 10_000 + b"]" * 10_000,
    "deeply_nested_in_an_object": b'{"status": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "array": b"[1, 2]",
    "number": b"7",
    "long_number": b"9" * 10_000,
    "text": b'"hello"',
    "null": b"null",
    "empty_object": b"{}",
    "empty": b"",
    "lone_surrogate": b'{"type": "\\ud800.x", "status": "\\ud800"}',
}

ODD_VALUES = [
    None,
    True,
    -1,
    10**30,
    "",
    "\x00",
    "a\x00b",
    "x" * 200_000,
    "http://[",
    "javascript:alert(1)",
    "2999-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    [],
    [None],
    {},
    {"a": "\x00"},
]

ERROR_CLASSES_OF_A_WRITE = {
    301: VendorRefusedError,
    400: VendorRefusedError,
    401: VendorAuthError,
    403: VendorAuthError,
    422: VendorRefusedError,
    429: VendorBusyError,
    500: VendorUnclearError,
    502: VendorUnclearError,
    503: VendorUnclearError,
    418: VendorRefusedError,
}

# Each network inherits these tests, so several classes run each of them: on purpose, with nothing to replay.
inherited = settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors],
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def as_json(value: object) -> object:
    """Events as they are written in ``.expect.json``."""
    return json.loads(json.dumps(value, default=_plain, sort_keys=True))


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(type(value))


def mangled(body: object, path: tuple[object, ...], value: object) -> bytes:
    """*body* as JSON, with *value* in the place of what stands at *path*."""
    copy = json.loads(json.dumps(body))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(copy).encode()


def paths(value: object, above: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Where anything stands in a JSON value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [above] if above else []
    for step, inner in steps:
        found += paths(inner, (*above, step))
    return found


def texts(value: object) -> list[str]:
    """Every text inside of a JSON value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in texts(each)]


class NetworkContract(ABC):
    """The duties of every network.

    A subclass gives ``network``, ``account``, ``fixtures`` (a folder), ``reply_api``
    (where a reply is posted), ``connect`` (a line whose reads do not wait) and
    ``show`` (what a look at ``target`` finds).
    """

    network: Network
    account: Account
    fixtures: Path
    reply_api: str

    @abstractmethod
    def connect(self) -> Connection: ...

    @abstractmethod
    def show(self, vendor: responses.RequestsMock, *, edited_at: datetime, answer: str) -> None:
        """Have *vendor* show the target as edited, with an answer of our account under it.

        *answer* is what the look calls that answer.
        """

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "recorded" in metafunc.fixturenames:
            metafunc.parametrize("recorded", sorted(p.stem for p in self.fixtures.glob("*.body")))

    def body(self, recorded: str) -> bytes:
        return (self.fixtures / f"{recorded}.body").read_bytes()

    def target(self) -> SocialMessage:
        """A customer's message in public, on this network."""
        return SocialMessage(
            network=self.network.name,
            id="https://social.example/users/alice/statuses/11",
            account=self.account.key,
            author=Author("https://social.example/@alice", "@alice@social.example", "Alice"),
            text=CUSTOMER_WORDS,
            posted_at=RECEIVED_AT - timedelta(hours=1),
            native_id="11",
        )

    def wanted_reply(self) -> Reply:
        target = self.target()
        text = self.network.compose(self.account, "We found your parcel.", target).text
        return Reply(self.account.key, target, text, "en", Visibility.UNLISTED, RECEIVED_AT)

    def test_every_lack_has_its_reason(self):
        """What a network cannot do is declared with a reason in words."""
        declared = self.network.capabilities
        lacks = [declared.push, declared.poll, declared.reply, declared.edits, declared.deletions]
        assert all(lack is True or (isinstance(lack, Exempt) and len(lack.reason) > 20) for lack in lacks)

    def test_account_fields_have_help_and_names_of_their_own(self):
        """An admin reads what each field is for, and no two share a name."""
        names = [field.name for field in self.network.account_fields]
        assert len(set(names)) == len(names)
        assert all(field.help for field in self.network.account_fields)

    def test_recorded_delivery_is_understood(self, recorded):
        """Each recorded body gives the events, or the refusal, that stand beside it."""
        expected = json.loads((self.fixtures / f"{recorded}.expect.json").read_text("utf-8"))
        try:
            events = self.network.normalise(self.account, self.body(recorded), RECEIVED_AT)
        except (UnreadablePayloadError, UnsupportedEventError) as error:
            assert {"error": type(error).__name__} == expected
        else:
            assert as_json([asdict(event) for event in events]) == expected

    def test_same_bytes_twice_give_equal_events(self, recorded):
        """A delivery that is read again says the same."""
        assert self._outcome(self.body(recorded)) == self._outcome(self.body(recorded))

    def _outcome(self, body: bytes) -> object:
        try:
            return self.network.normalise(self.account, body, RECEIVED_AT)
        except (UnreadablePayloadError, UnsupportedEventError) as error:
            return type(error)

    @pytest.mark.parametrize("kind", RUBBISH)
    def test_rubbish_is_unreadable(self, kind):
        """What is not this vendor's shape is refused as such, never with another exception."""
        with pytest.raises(UnreadablePayloadError):
            self.network.normalise(self.account, RUBBISH[kind], RECEIVED_AT)

    @given(body=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
    @inherited
    def test_any_bytes_are_read_or_refused(self, body):
        """No bytes at all raise anything but the two refusals."""
        self._outcome(body)

    def test_any_damage_to_a_good_body_is_read_or_refused(self, recorded):
        """Each value of a recorded body replaced by odd ones: refused, or read as clean text and UTC."""
        body = _json_or_none(self.fixtures / f"{recorded}.body")
        for path in paths(body):
            for odd in ODD_VALUES:
                outcome = self._outcome(mangled(body, path, odd))
                if isinstance(outcome, list):
                    assert all(event.at <= RECEIVED_AT and event.at.tzinfo is UTC for event in outcome)
                    written = as_json([asdict(event) for event in outcome])
                    assert not any("\x00" in text for text in texts(written))

    def test_refusal_of_a_body_does_not_quote_it(self):
        """The customer's words do not travel in an exception."""
        body = json.dumps(
            {"type": "social.message.created", "status": CUSTOMER_WORDS, "data": CUSTOMER_WORDS}
        )
        with pytest.raises(UnreadablePayloadError) as caught:
            self.network.normalise(self.account, body.encode(), RECEIVED_AT)
        assert CUSTOMER_WORDS not in f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r}"

    def test_composed_reply_says_whether_it_fits(self):
        """A text at the limit fits; one character more does not, and nothing is cut off."""
        empty = self.network.compose(self.account, "x", self.target())
        room = empty.limit - empty.used + 1
        assert self.network.compose(self.account, "x" * room, self.target()).fits
        too_long = self.network.compose(self.account, "x" * (room + 1), self.target())
        assert not too_long.fits
        assert too_long.text.endswith("x" * (room + 1))

    def test_length_is_counted_in_what_a_reader_sees(self):
        """A family of four code points and joiners is one character."""
        family = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"
        one = self.network.compose(self.account, "a" + family, self.target())
        assert one.used == self.network.compose(self.account, "ab", self.target()).used

    def test_text_limit_of_the_account_counts(self):
        """The admin's text_limit is the limit."""
        account = replace(self.account, fields={**self.account.fields, "text_limit": "42"})
        assert self.network.compose(account, "hello", self.target()).limit == 42

    @given(text=st.text(max_size=80))
    @example("@alice@social.example hello")
    @inherited
    def test_composing_is_stable(self, text):
        """Composing what was composed adds nothing: a frozen text stays as it is."""
        once = self.network.compose(self.account, text, self.target()).text
        assert self.network.compose(self.account, once, self.target()).text == once

    @pytest.mark.parametrize("visibility", [Visibility.FOLLOWERS, Visibility.DIRECT])
    def test_private_message_gets_no_public_reply(self, visibility):
        """A message that was not public shows red at intake, with a sentence for the agent."""
        light = self.network.light(self.account, replace(self.target(), visibility=visibility))
        assert not light.possible
        assert light.reason.endswith(".")

    def test_public_message_can_be_answered(self):
        """A public message shows green."""
        assert self.network.light(self.account, self.target()).possible

    def test_look_tells_of_every_obstacle(self):
        """Edited, and answered by a colleague: an edit that a person let pass hides no answer."""
        edited_at = RECEIVED_AT - timedelta(minutes=10)
        with responses.RequestsMock(assert_all_requests_are_fired=False) as vendor:
            self.show(vendor, edited_at=edited_at, answer="https://social.example/posts/20")
            seen = self.connect().preflight(self.target(), ())
            known = self.connect().preflight(self.target(), {"https://social.example/posts/20"})
        assert seen.obstacles == {Obstacle.EDITED, Obstacle.ANSWERED}
        assert seen.answer is not None
        assert seen.answer.id == "https://social.example/posts/20"
        assert (known.obstacles, known.answer) == ({Obstacle.EDITED}, None)

    def test_look_tells_one_edit_from_the_next(self):
        """By the network's own time of it: who let one pass has not seen the other."""
        for minutes in (20, 10):
            edited_at = RECEIVED_AT - timedelta(minutes=minutes)
            with responses.RequestsMock(assert_all_requests_are_fired=False) as vendor:
                self.show(vendor, edited_at=edited_at, answer="https://social.example/posts/20")
                assert self.connect().preflight(self.target(), ()).edited_at == edited_at

    @pytest.mark.parametrize("status", ERROR_CLASSES_OF_A_WRITE)
    def test_refused_reply_has_its_class(self, status):
        """Each status of a refused reply is named for what the caller does next, and is tried once."""
        with responses.RequestsMock() as vendor:
            body = {"error": f"refused: {CUSTOMER_WORDS}"}
            vendor.post(
                self.reply_api, json=body, status=status, headers={"Location": "https://evil.example"}
            )
            with pytest.raises(VendorError) as caught:
                self.connect().reply(self.wanted_reply(), "key-1")
            assert type(caught.value) is ERROR_CLASSES_OF_A_WRITE[status]
            assert caught.value.status == status
            assert [call.request.method for call in vendor.calls].count("POST") == 1
        self.assert_discreet(caught.value)

    @pytest.mark.parametrize("body", ["", "not json", "[]", "{}", "<html>maintenance</html>"])
    def test_reply_whose_answer_cannot_be_read_is_unclear(self, body):
        """2xx and nonsense: the post may be there, so it is looked for."""
        with responses.RequestsMock() as vendor:
            vendor.post(self.reply_api, body=body, status=200)
            with pytest.raises(VendorUnclearError) as caught:
                self.connect().reply(self.wanted_reply(), "key-1")
        self.assert_discreet(caught.value)

    def assert_discreet(self, error: VendorError) -> None:
        """No secret and no customer's words in what a log would show."""
        shown = f"{error!s} {error!r} {error.args} {error.__cause__!r} {error.detail}"
        secrets = [value for values in self.account.secrets.values() for value in values]
        assert not any(words in shown for words in (*secrets, CUSTOMER_WORDS, "We found your parcel"))
        assert error.__suppress_context__ or error.__context__ is None


def _json_or_none(path: Path) -> object | None:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


class PushContract(NetworkContract):
    """The duties of a network that sends webhooks.

    A subclass also gives ``signed`` (the headers that make a body authentic),
    ``rotating`` (the account while its secret is being changed: what ``signed``
    uses is the older one) and ``unknown_event``.
    """

    unknown_event: bytes

    @abstractmethod
    def signed(self, body: bytes, at: datetime) -> dict[str, str]: ...

    @abstractmethod
    def rotating(self) -> Account: ...

    def headers(self, recorded: str) -> dict[str, str]:
        return json.loads((self.fixtures / f"{recorded}.headers.json").read_text("utf-8"))

    def refuse(self, body: bytes, headers: dict[str, str], account: Account | None = None) -> None:
        with pytest.raises(UnauthenticRequestError):
            self.network.verify(account or self.account, body, headers, RECEIVED_AT)

    def test_recorded_delivery_is_authentic(self, recorded):
        """The recorded headers prove the recorded bytes."""
        delivery = self.network.verify(
            self.account, self.body(recorded), self.headers(recorded), RECEIVED_AT - timedelta(seconds=30)
        )
        assert delivery

    def test_redelivery_has_the_same_id(self, recorded):
        """The id that tells a redelivery does not depend on when it is read."""
        body, headers = self.body(recorded), self.headers(recorded)
        ids = {
            self.network.verify(self.account, body, headers, RECEIVED_AT - timedelta(seconds=s))
            for s in (0, 60)
        }
        assert len(ids) == 1

    def test_unsigned_request_is_refused(self):
        """No headers, no entry."""
        self.refuse(b"{}", {})

    def test_each_header_is_needed(self):
        """One missing or empty signing header is enough to be refused."""
        good = self.signed(b"{}", RECEIVED_AT)
        for name in good:
            self.refuse(b"{}", {other: value for other, value in good.items() if other != name})
            self.refuse(b"{}", good | {name: ""})

    def test_changed_byte_is_refused(self):
        """A signature holds for these bytes only."""
        headers = self.signed(b'{"a": 1}', RECEIVED_AT)
        self.refuse(b'{"a": 2}', headers)

    @pytest.mark.parametrize("minutes", [-6, 6, 60 * 24 * 365])
    def test_stale_or_early_request_is_refused(self, minutes):
        """A true signature of another time is a replay."""
        self.refuse(b"{}", self.signed(b"{}", RECEIVED_AT + timedelta(minutes=minutes)))

    def test_clock_may_be_a_little_off(self):
        """Four minutes either way are let in."""
        for minutes in (-4, 4):
            headers = self.signed(b"{}", RECEIVED_AT + timedelta(minutes=minutes))
            assert self.network.verify(self.account, b"{}", headers, RECEIVED_AT)

    def test_raw_bytes_are_verified(self):
        """Non-ASCII bytes are taken as sent; the same JSON written otherwise is refused."""
        body = '{"text":  "żółć \N{THAI CHARACTER KO KAI}"}'.encode()
        headers = self.signed(body, RECEIVED_AT)
        assert self.network.verify(self.account, body, headers, RECEIVED_AT)
        self.refuse(json.dumps(json.loads(body)).encode(), headers)

    def test_previous_secret_is_taken_during_rotation(self):
        """While two secrets are valid, what the older one signed comes in."""
        headers = self.signed(b"{}", RECEIVED_AT)
        assert self.network.verify(self.rotating(), b"{}", headers, RECEIVED_AT)

    def test_account_without_a_secret_refuses_everything(self):
        """A forgotten secret shuts the door, it does not open it."""
        headers = self.signed(b"{}", RECEIVED_AT)
        self.refuse(b"{}", headers, replace(self.account, secrets={}))

    @given(
        headers=st.dictionaries(
            st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()
        )
    )
    @inherited
    def test_any_headers_are_only_ever_refused(self, headers):
        """Whatever stands in the headers, the answer is a refusal and nothing else."""
        self.refuse(b"{}", self.signed(b"{}", RECEIVED_AT) | {"webhook-signature": "v1,AAAA"} | headers)

    def test_unknown_event_is_unsupported(self):
        """An event of a type that nobody asked for is known to be unwanted, not taken for rubbish."""
        with pytest.raises(UnsupportedEventError):
            self.network.normalise(self.account, self.unknown_event, RECEIVED_AT)
