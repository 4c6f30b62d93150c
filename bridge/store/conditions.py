"""What is wrong, in one list: /readyz shows it, the watch tells it, the doctor prints it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bridge.core.condition import Condition
from bridge.core.plural import counted
from bridge.errors import MappingError
from bridge.store import lanes, standing, versions
from bridge.store.presence import alive_since, gone_since, last_seen

WORKER_GONE = timedelta(seconds=30)
TOO_OLD = timedelta(minutes=15)
# Past its time. What is due is woken each second, and a wait for the next try ends before it is due: so long
# takes only a heap of thousands, or threads that do not come back.
OVERDUE = timedelta(minutes=5)
LOOP_TOO_OLD = timedelta(hours=24)
STUCK = 5
ASTRAY_EACH = 5  # tickets that are told of one by one
FAILED_OFTEN = 3
# Kinds that only the watch finds, and keeps in the table of alerts.
SILENCE, CHECK = "silence", "check"
WATCHED = (SILENCE, CHECK)
WORKER, DATABASE = "worker", "database"
UNDONE_FIX = "edit the files again, or have them served all the same with `bridge mappings reload`"


def conditions(tx: Session, now: datetime) -> Iterator[Condition]:
    """What the tables say, the worst first. Reads what is open, never everything."""
    yield from _workers(tx, now)
    for lane in lanes.parked(tx, now).values():
        yield Condition(
            f"lane:{lane.name}",
            f"lane {lane.name} is parked: {lane.reason}",
            "`bridge resume` lets public replies leave again"
            if lane.name == lanes.PUBLIC
            else "mend the credentials (`bridge doctor` tries them); it is tried again by itself",
        )
    yield from _overdue(tx, now)
    yield from _polls(tx)
    yield from _intents(tx, now)
    yield from _cases(tx, now)
    yield from _astray(tx)
    gone = versions.undone(tx)
    if gone is not None:
        version, why = gone
        yield Condition(
            "mapping-undone",
            f"the edit of the mapping files (version {version[: versions.SHORT]}) was undone: {why}",
            UNDONE_FIX,
        )
    failed = standing.failed_deliveries(tx)
    if failed:
        yield Condition(
            "failed-deliveries",
            f"{counted(failed, 'delivery', 'deliveries')} could not be understood; it may be a complaint",
            "see `bridge delivery list --failed` and `bridge delivery show ID`; mend what they name and "
            "`bridge delivery replay ID`, or `bridge delivery dismiss ID` what says nothing",
        )


def unwritable(why: str) -> Condition:
    """No table can hold this one. It also keeps workers from saying that they live."""
    return Condition(
        DATABASE,
        why,
        "see what its disk has room for, and who may write there; it goes on by itself",
        down=True,
    )


def faulty_mapping(error: MappingError) -> Condition:
    """The edit that is not served."""
    return Condition(
        "mapping",
        f"the mapping files are faulty, the last good version serves: {error.faults[0]}",
        "see `bridge mappings check`",
    )


def nobody_works(tx: Session) -> str:
    """That no worker is alive, and since when."""
    since = gone_since(tx)
    if since is None:
        return "no worker is alive, and none has ever been"
    return f"no worker is alive since {since:%Y-%m-%d %H:%M:%S} UTC"


def _workers(tx: Session, now: datetime) -> Iterator[Condition]:
    seen = last_seen(tx)
    if seen is None or now - seen > WORKER_GONE:
        # Nobody is told: whoever could do it is what is missing.
        yield Condition(
            WORKER,
            nobody_works(tx),
            "start `bridge worker` (or `bridge serve`)",
            down=True,
            tell=False,
        )


def _overdue(tx: Session, now: datetime) -> Iterator[Condition]:
    """What is due, and no worker comes to although one lives."""
    alive = alive_since(tx, now - WORKER_GONE)
    if alive is None or now - alive < OVERDUE:
        return  # nobody could have come to it yet
    fix = (
        "its threads hang, or have too much to do: see the log for what they do, start `bridge worker` "
        "(or `bridge serve`) anew, and give it more BRIDGE_THREADS if it comes again"
    )
    untaken = standing.overdue_deliveries(tx, now - OVERDUE)
    if untaken.count:
        yield Condition(
            "untaken-deliveries",
            f"{counted(untaken.count, 'delivery', 'deliveries')} came in and no worker takes them in, "
            f"the oldest for {_minutes(untaken.age_s(now))}",
            fix,
        )
    for cursor in standing.cursors(tx):
        late = now - cursor.due_at
        if late > OVERDUE:
            minutes = _minutes(late.total_seconds())
            yield Condition(
                f"overdue:{cursor.key}", f"{cursor.key} has been due for {minutes}, and nobody asks", fix
            )


def _minutes(seconds: float) -> str:
    return counted(int(seconds // 60), "minute")


def _polls(tx: Session) -> Iterator[Condition]:
    for cursor in standing.cursors(tx):
        if cursor.failures:
            yield Condition(
                cursor.key,
                f"{cursor.key} does not work: {cursor.reason}",
                "see the account's address and credentials; it goes on by itself",
                tell=cursor.failures >= FAILED_OFTEN,
            )
        elif cursor.heard_at is None:
            yield Condition(cursor.key, f"{cursor.key}: not heard yet", tell=False)


def _intents(tx: Session, now: datetime) -> Iterator[Condition]:
    see = "see `bridge intent list`"
    waiting = standing.waiting_intents(tx)
    if waiting.age_s(now) > TOO_OLD.total_seconds():
        yield Condition("old-intent", f"the oldest intent has waited for {waiting.age_s(now):.0f} s", see)
    refused = standing.refused_intents(tx)
    if refused:
        yield Condition("refused", f"vendors refused {counted(refused, 'intent')}", see)
    missing = standing.missing_cards(tx)
    if missing:
        yield Condition(
            "missing-cards",
            f"nobody knows whether {counted(missing, 'card')} came to be, and nobody is asked in Slack",
            f"{see}, look in the channel, then `bridge intent settle`",
        )
    for lane, count in standing.failing_lanes(tx, FAILED_OFTEN).items():
        wrong = f"lane {lane}: {counted(count, 'intent')} failed {FAILED_OFTEN} times or more"
        yield Condition(f"failing:{lane}", wrong, f"{see} and `bridge doctor`")


def _cases(tx: Session, now: datetime) -> Iterator[Condition]:
    loops = standing.open_loops(tx)
    if loops.age_s(now) > LOOP_TOO_OLD.total_seconds():
        yield Condition(
            "open-loop",
            f"of {counted(loops.count, 'case')} solved without a receipt, the oldest has waited for "
            f"{loops.age_s(now) // 3600:.0f} hours",
            "see `bridge case list --open-loops`",
        )
    stuck = standing.failing_cases(tx, STUCK)
    if stuck:
        see = "see the log and `bridge case list`"
        yield Condition("stuck-cases", f"{counted(stuck, 'case')} failed again and again", see)


def _astray(tx: Session) -> Iterator[Condition]:
    found = standing.astray(tx)
    why = "no case knows it, as after restoring an older backup: what is written on it reaches nobody"
    for one in found[:ASTRAY_EACH]:
        end = (
            f"merge it into ticket {one.speaks}, which speaks for its thread"
            if one.speaks
            else "answer by hand"
        )
        yield Condition(
            f"{standing.ASTRAY}{one.ticket_id}",
            f"ticket {one.ticket_id} ({one.url}) has an external id of this bridge, but {why}",
            f"{end}, or close it",
        )
    more = [one.ticket_id for one in found[ASTRAY_EACH:]]
    if more:
        shown = ", ".join(more[:20]) + (f" and {len(more) - 20} more" if len(more) > 20 else "")
        yield Condition(
            "more-astray",
            f"{len(more)} more tickets are like that: {shown}",
            "merge or close them; if another bridge is on this desk, give each its own BRIDGE_INSTALLATION",
        )
