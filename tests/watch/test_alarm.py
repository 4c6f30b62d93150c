"""A database that cannot be written is told without it: once when it begins, once when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.app import Bridge
from bridge.flows.alarm import EVERY, Alarm
from bridge.flows.watch import CALM
from tests.disk import fill, limit
from tests.watch.conftest import Channel, Stopped


@pytest.fixture
def alarm(bridge: Bridge) -> Alarm:
    return Alarm(bridge.world, "#bridge-admins")


def full(bridge: Bridge) -> None:
    limit(bridge.world.database, 0)
    fill(bridge.world.database)


def room_again(bridge: Bridge) -> None:
    limit(bridge.world.database, None)


def go_on(alarm: Alarm, clock: Stopped, span: timedelta) -> None:
    """The alarm looks every ten seconds for so long."""
    end = clock.at + span
    while clock.at < end:
        clock.at += EVERY
        alarm()


def test_it_is_told_once_however_long_it_lasts_and_once_when_it_is_over(bridge, alarm, clock, channel):
    """With the cause, and what to do."""
    go_on(alarm, clock, timedelta(minutes=1))
    assert channel.said == []
    full(bridge)
    go_on(alarm, clock, timedelta(minutes=20))
    [said] = channel.said
    assert said.startswith(
        "The bridge needs somebody: the database cannot be written: database or disk is full: "
    )

    room_again(bridge)
    go_on(alarm, clock, CALM / 2)
    assert len(channel.said) == 1
    go_on(alarm, clock, CALM)
    assert channel.said[1:] == [said.replace("The bridge needs somebody", "Over, after 20 minutes")]
    go_on(alarm, clock, timedelta(hours=1))
    assert len(channel.said) == 2


def test_room_for_a_moment_is_the_same_episode(bridge, alarm, clock, channel):
    """Somebody deletes a file, and it fills up again: that is no news."""
    for _ in range(5):
        full(bridge)
        go_on(alarm, clock, timedelta(minutes=1))
        room_again(bridge)
        go_on(alarm, clock, timedelta(minutes=1))
    assert len(channel.said) == 1


def test_the_next_episode_is_told_again(bridge, alarm, clock, channel):
    """People were told that the first was over."""
    for _ in range(2):
        channel.keys.clear()  # the channel is asked about the time of this episode only
        full(bridge)
        go_on(alarm, clock, timedelta(minutes=1))
        room_again(bridge)
        go_on(alarm, clock, CALM * 2)
    assert [said.partition(",")[0].partition(":")[0] for said in channel.said] == [
        "The bridge needs somebody",
        "Over",
    ] * 2


@pytest.mark.parametrize("fault", ["down", "lost"])
def test_it_is_told_late_rather_than_twice(bridge, alarm, clock, channel: Channel, fault: str):
    """While Slack is down it waits; a message whose answer was lost is found in the channel."""
    channel.fault = fault
    full(bridge)
    go_on(alarm, clock, EVERY)
    channel.fault = ""
    go_on(alarm, clock, timedelta(minutes=2))
    assert len(channel.said) == 1


def test_what_another_process_has_told_is_not_told_again(bridge, alarm, clock, channel):
    """Each meets it by itself, and looks in the channel first."""
    full(bridge)
    go_on(alarm, clock, EVERY)
    go_on(Alarm(bridge.world, "#bridge-admins"), clock, timedelta(minutes=1))
    assert len(channel.said) == 1


def test_what_was_over_before_it_could_be_told_is_never_told(bridge, alarm, clock, channel):
    """Nobody can do anything any more."""
    channel.fault = "down"
    full(bridge)
    go_on(alarm, clock, timedelta(minutes=1))
    room_again(bridge)
    go_on(alarm, clock, timedelta(minutes=1))
    channel.fault = ""
    go_on(alarm, clock, CALM * 2)
    assert channel.said == []


def test_without_a_channel_nothing_is_told(bridge, clock, channel):
    """Telling is a setting; /readyz says it all the same."""
    full(bridge)
    go_on(Alarm(bridge.world, ""), clock, timedelta(minutes=1))
    assert channel.said == []
