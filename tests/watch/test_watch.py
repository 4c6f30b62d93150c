"""What needs somebody is told once when it begins and once when it is over; nothing else is."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from bridge.app import Bridge
from bridge.core.ports import Finding
from bridge.errors import StoreBusyError, VendorUnclearError
from bridge.flows.take_in import TRIES, put_off
from bridge.flows.watch import CALM, CHECK_AGAIN, CHECK_EVERY, EVERY, FIRST_CHECK, Watch, over
from bridge.store import deliveries, lanes, leases
from bridge.store.conditions import OVERDUE
from bridge.store.tables import Alert, Cursor, Delivery
from tests.watch.conftest import NOON, Channel, Stopped, both, close, open_bridge, watch_of

PARKED = "lane desk is parked: zendesk open ticket answered 401"


def park(bridge: Bridge, span: timedelta | None = None) -> None:
    with bridge.world.database.write() as tx:
        reason = "zendesk open ticket answered 401"
        lanes.park(tx, "desk", reason, "the vendor's answer", bridge.world.clock.now(), span)


def resume(bridge: Bridge) -> None:
    with bridge.world.database.write() as tx:
        assert lanes.resume(tx, "desk")


def look(watch: Watch, clock: Stopped, span: timedelta = EVERY) -> None:
    """The watch looks now and then for so long, as it would have; the last time at the end."""
    end, step = clock.at + span, max(timedelta(minutes=1), span / 12)
    while clock.at < end:
        clock.at = min(end, clock.at + step)
        watch.world.presence.stay(watch.world.database, clock.at)
        watch("")


@both
def test_what_begins_is_told_once_with_the_fix(bridge: Bridge, watch: Watch, clock, channel):
    """A parked lane is one message however long it lasts, and one more when it is open again."""
    park(bridge)
    look(watch, clock, timedelta(hours=1))
    assert len(channel.said) == 1
    assert PARKED in channel.said[0]
    assert "`bridge doctor`" in channel.said[0]

    resume(bridge)
    look(watch, clock, CALM * 2)
    assert len(channel.said) == 2
    assert channel.said[1].startswith("Over, after 56 minutes: lane desk is parked")

    look(watch, clock, timedelta(hours=1))
    assert len(channel.said) == 2


def test_all_is_well_and_nobody_hears_of_it(watch: Watch, clock, channel):
    """Not even that it is well."""
    look(watch, clock, timedelta(hours=2))
    assert channel.said == []


def test_what_comes_back_at_once_is_still_the_same(bridge: Bridge, watch: Watch, clock, channel):
    """A lane is parked for a minute at a time: that it was tried in between is no news."""
    for _ in range(10):
        park(bridge, timedelta(seconds=50))
        look(watch, clock)
        assert any("lane desk" in one for one in problems(bridge))
        look(watch, clock, timedelta(minutes=1))
        assert not any("lane desk" in one for one in problems(bridge))
    assert len(channel.said) == 1


def test_what_comes_back_another_day_is_told_again(bridge: Bridge, watch: Watch, clock, channel):
    """It was over, and people were told so."""
    for _ in range(2):
        park(bridge)
        look(watch, clock)
        resume(bridge)
        look(watch, clock, CALM * 2)
    assert [said.partition(":")[0] for said in channel.said] == [
        "The bridge needs somebody",
        "Over, after 1 minutes",
        "The bridge needs somebody",
        "Over, after 1 minutes",
    ]


@both
def test_a_restart_says_nothing_again(bridge: Bridge, watch: Watch, clock, channel, store_url: str):
    """What was told stands in the tables."""
    park(bridge)
    look(watch, clock)
    close(bridge)
    again = open_bridge(store_url, clock, channel)
    look(watch_of(again), clock, timedelta(minutes=10))
    close(again)
    assert len(channel.said) == 1


def test_a_message_whose_answer_was_lost_is_not_said_twice(bridge: Bridge, watch: Watch, clock, channel):
    """Posted, and nobody knows: looked for in the channel before anything is posted again."""
    channel.fault = "lost"
    park(bridge)
    look(watch, clock)
    assert len(channel.said) == 1
    channel.fault = ""
    look(watch, clock, timedelta(minutes=5))
    assert len(channel.said) == 1
    with bridge.world.database.read() as tx:
        assert tx.get_one(Alert, "lane:desk").told_at is not None


def test_while_slack_is_down_it_waits(bridge: Bridge, watch: Watch, clock, channel):
    """It is told when Slack is back: late, and once."""
    channel.fault = "down"
    park(bridge)
    look(watch, clock, timedelta(minutes=20))
    channel.fault = ""
    look(watch, clock, timedelta(minutes=5))
    assert len(channel.said) == 1


def test_what_was_over_before_it_could_be_told_is_never_told(bridge: Bridge, watch: Watch, clock, channel):
    """Neither that it began nor that it ended: nobody can do anything any more."""
    channel.fault = "down"
    park(bridge)
    look(watch, clock, timedelta(minutes=20))
    resume(bridge)
    look(watch, clock, timedelta(minutes=20))
    channel.fault = ""
    look(watch, clock, timedelta(minutes=20))
    assert channel.said == []


@both
def test_only_one_process_looks(bridge: Bridge, watch: Watch, clock, channel, monkeypatch):
    """Another that comes meanwhile leaves at once: two would look for the message and both find none."""
    other = watch_of(bridge)
    looked: list[str] = []

    def find(_channel: str, key: str, _since) -> None:
        looked.append(key)
        other("")

    monkeypatch.setattr(channel, "find_announcement", find)
    park(bridge)
    watch("")
    assert len(looked) == len(channel.said) == 1


def test_asking_the_vendors_takes_nothing_from_the_time_to_tell(
    bridge: Bridge, watch: Watch, clock, channel, monkeypatch
):
    """They took longer than a lease: another process would come in while this one is telling."""
    other, looked, check = watch_of(bridge), [], channel.check

    def slowly(channels) -> list[Finding]:
        clock.go(seconds=bridge.world.timing.lease.total_seconds() + 1)
        return check(channels)

    def find(_channel: str, key: str, _since) -> None:
        looked.append(key)
        other("")

    monkeypatch.setattr(channel, "check", slowly)
    monkeypatch.setattr(channel, "find_announcement", find)
    clock.at += FIRST_CHECK
    park(bridge)
    watch("")
    assert len(looked) == len(channel.said) == 1


def test_why_a_look_failed_is_told_also_when_its_lease_cannot_be_given_back(
    bridge: Bridge, watch: Watch, monkeypatch, caplog
):
    """A fault of ours, and then the disk is full."""

    def full(*_given: object) -> None:
        raise StoreBusyError("the disk is full")

    def fail(*_given: object) -> None:
        monkeypatch.setattr(leases, "give_back", full)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(watch, "_look", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        watch("")
    assert "the disk is full" in caplog.text


def test_without_a_channel_nobody_is_told_and_readyz_shows_it(bridge: Bridge, clock, channel):
    """Telling is a setting; knowing is not."""
    quiet = Watch(bridge.world, "", timedelta(hours=24))
    park(bridge)
    quiet("")
    assert channel.said == []
    with bridge.world.database.read() as tx:
        assert tx.get_one(Alert, "lane:desk").told_at is None
    assert any("lane desk is parked" in one for one in problems(bridge))


def problems(bridge: Bridge) -> list[str]:
    found: list[str] = bridge.web.test_client().get("/readyz").get_json()["problems"]
    return found


def hear(bridge: Bridge, count: int, gap: timedelta, until=NOON, account: str = "kopi-plaza") -> None:
    """Deliveries of *account*, *gap* apart, the last at *until*."""
    with bridge.world.database.write() as tx:
        for number in range(count):
            at = until - number * gap
            deliveries.record(
                tx,
                installation="bridge",
                source="standard",
                account=account,
                delivery_id=f"{account}-{at.isoformat()}",
                body=b"{}",
                at=at,
                state="unwanted",
            )


@pytest.fixture
def set_up(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The accounts' credentials are there, and work."""
    well = SimpleNamespace(check=list)
    monkeypatch.setattr(bridge.world, "connect", lambda _account: well)
    monkeypatch.setattr(bridge.world, "secrets", lambda _name: ("test-secret-one",))


@pytest.mark.usefixtures("set_up")
@both
def test_an_account_that_falls_silent_is_noticed(bridge: Bridge, watch: Watch, clock, channel):
    """It was heard every hour, and now not for a day: told once, and once more when it is heard again."""
    hear(bridge, 30, timedelta(hours=1))
    look(watch, clock, timedelta(hours=24))
    assert channel.said == []
    look(watch, clock, timedelta(minutes=2))
    assert len(channel.said) == 1
    assert "nothing has come in from kopi-plaza for 24 hours" in channel.said[0]
    assert any("kopi-plaza for 24 hours" in one for one in problems(bridge))

    hear(bridge, 1, timedelta(0), until=clock.at)
    look(watch, clock, CALM * 2)
    assert channel.said[1].startswith("Over")
    assert not any("kopi-plaza for" in one for one in problems(bridge))


@pytest.mark.usefixtures("set_up")
def test_where_it_is_usually_quiet_a_day_is_nothing(bridge: Bridge, watch: Watch, clock, channel):
    """Heard every two days: only after four is it unusual."""
    hear(bridge, 30, timedelta(days=2))
    look(watch, clock, timedelta(days=4))
    assert channel.said == []
    look(watch, clock, timedelta(minutes=2))
    assert len(channel.said) == 1


@pytest.mark.usefixtures("set_up")
def test_one_long_outage_does_not_teach_us_to_expect_the_next(bridge: Bridge, watch: Watch, clock, channel):
    """The one gap of ten days among many of an hour is not what is usual."""
    hear(bridge, 15, timedelta(hours=1))
    hear(bridge, 15, timedelta(hours=1), until=NOON - timedelta(days=10))
    look(watch, clock, timedelta(hours=25))
    assert len(channel.said) == 1


@pytest.mark.usefixtures("set_up")
def test_an_account_that_was_never_heard_is_not_missed(bridge: Bridge, watch: Watch, clock, channel):
    """Nor one that was heard a few times: there is nothing to learn from."""
    hear(bridge, 19, timedelta(hours=1))
    look(watch, clock, timedelta(days=3))
    assert channel.said == []


@pytest.mark.usefixtures("set_up")
def test_an_account_that_left_the_mapping_is_not_missed(bridge: Bridge, watch: Watch, clock, channel):
    """Somebody took it out on purpose."""
    hear(bridge, 30, timedelta(hours=1), account="kopi-gone")
    look(watch, clock, timedelta(days=3))
    assert channel.said == []


def test_a_poll_that_fails_once_is_no_message_and_thrice_is(bridge: Bridge, watch: Watch, clock, channel):
    """Networks hiccup; /readyz shows the first failure, people are told of the third."""
    with bridge.world.database.write() as tx:
        due = NOON + timedelta(days=1)
        tx.add(Cursor(key="poll:kopi-mastodon", due_at=due, heard_at=NOON, failures=2, reason="answered 500"))
    look(watch, clock)
    assert any("poll:kopi-mastodon" in one for one in problems(bridge))
    assert channel.said == []
    with bridge.world.database.write() as tx:
        tx.get_one(Cursor, "poll:kopi-mastodon").failures = 3
    look(watch, clock)
    assert len(channel.said) == 1
    assert "poll:kopi-mastodon does not work: answered 500" in channel.said[0]


@both
def test_what_no_worker_takes_in_is_told(bridge: Bridge, watch: Watch, clock, channel):
    """It was answered with a 2xx, a worker lives, and nobody comes to it: how many, and for how long."""
    look(watch, clock, OVERDUE)
    with bridge.world.database.write() as tx:
        for name in ("one", "two"):
            record(tx, name, clock.at)
    look(watch, clock, OVERDUE)
    assert channel.said == overdue(bridge) == []
    look(watch, clock, timedelta(minutes=1))
    assert len(channel.said) == 1
    assert "2 deliveries came in and no worker takes them in, the oldest for 6 minutes" in channel.said[0]
    assert "BRIDGE_THREADS" in channel.said[0]
    assert "the oldest for 6 minutes" in overdue(bridge)[0]

    with bridge.world.database.write() as tx:
        for row in tx.query(Delivery):
            row.state = "done"
    look(watch, clock, CALM * 2)
    assert overdue(bridge) == []


def test_a_delivery_that_waits_for_its_next_try_is_no_news(bridge: Bridge, watch: Watch, clock, channel):
    """Six tries, and the waits between them: it is old when it fails for good, and was never overlooked."""
    look(watch, clock, OVERDUE)
    with bridge.world.database.write() as tx:
        delivery = record(tx, "one", clock.at)
        assert delivery is not None
    for attempt in range(TRIES):
        put_off(bridge.world, delivery, "answered 503")
        look(watch, clock, timedelta(seconds=2 ** (attempt + 1)) + OVERDUE)
        assert overdue(bridge) == []


def test_after_a_standstill_the_workers_have_a_while_before_anybody_is_told(
    bridge: Bridge, clock, channel, store_url: str
):
    """What came in meanwhile is hours old, and a worker has only just come: that none lived was told."""
    with bridge.world.database.write() as tx:
        record(tx, "one", clock.at)
        tx.add(Cursor(key="poll:kopi-mastodon", due_at=clock.at, heard_at=NOON, failures=0))
    close(bridge)
    clock.go(hours=3)
    again = open_bridge(store_url, clock, channel)
    try:
        look(watch_of(again), clock, OVERDUE - timedelta(seconds=1))
        assert channel.said == overdue(again) == []
        look(watch_of(again), clock, timedelta(minutes=1))
        assert len(channel.said) == len(overdue(again)) == 2
    finally:
        close(again)


@pytest.mark.parametrize("key", ["poll:kopi-mastodon", "reread:kopi-mastodon", "export:zendesk"])
def test_a_poll_that_nobody_makes_is_told(bridge: Bridge, watch: Watch, clock, channel, key: str):
    """It never fails and is never due to fail: it is overdue. One that waits for its time is not."""
    with bridge.world.database.write() as tx:
        due = clock.at + timedelta(hours=1)
        tx.add(Cursor(key=key, due_at=due, heard_at=NOON, failures=0))
    look(watch, clock, timedelta(hours=1) + OVERDUE)
    assert channel.said == overdue(bridge) == []
    look(watch, clock, timedelta(minutes=1))
    assert len(channel.said) == 1
    assert f"{key} has been due for 6 minutes, and nobody asks" in channel.said[0]
    assert f"{key} has been due for" in overdue(bridge)[0]


def overdue(bridge: Bridge) -> list[str]:
    return [one for one in problems(bridge) if "no worker takes them in" in one or "nobody asks" in one]


def record(tx: Session, name: str, at: datetime) -> str | None:
    return deliveries.record(
        tx, installation="bridge", source="zendesk", account="", delivery_id=name, body=b"{}", at=at
    )


def test_a_count_that_grows_is_not_told_again(bridge: Bridge, watch: Watch, clock, channel):
    """One failed delivery or ten: somebody looks at the list anyway."""
    for count in (1, 10):
        hear(bridge, count, timedelta(hours=1), until=clock.at)
        with bridge.world.database.write() as tx:
            for row in tx.query(Delivery):
                row.state = "failed"
        look(watch, clock)
    assert len(channel.said) == 1
    assert "1 delivery could not be understood" in channel.said[0]
    with bridge.world.database.write() as tx:
        assert "11 deliveries could not be understood" in tx.get_one(Alert, "failed-deliveries").text
        tx.execute(delete(Delivery))


WEBHOOK = Finding("Zendesk webhook", False, "does not exist", "run: bridge setup zendesk")


def test_a_webhook_that_is_missing_is_told_with_its_fix(bridge: Bridge, watch: Watch, clock, channel):
    """Asked soon after the start, then every few minutes while something is wrong, else once an hour."""
    channel.findings = [WEBHOOK, Finding("Slack token", True, "the app is bridge in kopi")]
    look(watch, clock, FIRST_CHECK - timedelta(minutes=1))
    assert channel.asked == []
    look(watch, clock, timedelta(minutes=1))
    assert len(channel.said) == 1
    assert "Zendesk webhook: does not exist: run: bridge setup zendesk" in channel.said[0]
    assert any("Zendesk webhook: does not exist" in one for one in problems(bridge))

    channel.findings = []
    look(watch, clock, CHECK_AGAIN + CALM + EVERY * 2)
    assert channel.said[1].startswith("Over")
    asked = len(channel.asked)
    assert asked == 2
    look(watch, clock, CHECK_EVERY - CHECK_AGAIN - CALM)
    assert len(channel.asked) == asked
    look(watch, clock, CHECK_AGAIN + CALM)
    assert len(channel.asked) == asked + 1


def test_between_two_checks_what_they_found_still_holds(bridge: Bridge, watch: Watch, clock, channel):
    """Nobody looked, so nothing has ended."""
    channel.findings = [WEBHOOK]
    look(watch, clock, timedelta(hours=3))
    assert len(channel.said) == 1


def test_the_admin_channel_itself_is_checked(bridge: Bridge, watch: Watch, clock, channel: Channel):
    """A channel that the app is no member of would hear nothing, and nobody would know."""
    look(watch, clock, FIRST_CHECK)
    assert "#bridge-admins" in channel.asked[0]


def test_a_call_that_never_ends_well_raises_nothing(
    bridge: Bridge, watch: Watch, clock, channel, monkeypatch
):
    """Telling is a courtesy: it must not end the flow that looks."""

    def unclear(*_args: object) -> str:
        raise VendorUnclearError("slack", "chat.postMessage", "no answer")

    monkeypatch.setattr(channel, "announce", unclear)
    park(bridge)
    look(watch, clock, timedelta(minutes=3))
    with bridge.world.database.read() as tx:
        assert tx.get_one(Alert, "lane:desk").told_at is None


def test_what_was_over_in_seconds_is_told_in_seconds():
    """Not "after 0 minutes"."""
    assert over(timedelta(seconds=40), "lane desk") == "Over, after 40 seconds: lane desk"
    assert over(timedelta(seconds=119), "lane desk").startswith("Over, after 1 minutes")
