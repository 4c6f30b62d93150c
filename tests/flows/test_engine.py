"""Wake-ups: soon, never twice in the queue, and no flow ever stops another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from bridge.errors import SettingsError, StoreBusyError
from bridge.flows.engine import Engine, Flow
from bridge.sandbox import Sandbox
from bridge.store.leases import LeaseLostError
from bridge.store.tables import Delivery
from tests.running import InProcess, eventually, stays
from tests.store.conftest import add_delivery


class UnforeseenError(Exception):
    """What a flow of these tests raises."""


class Bench:
    """Engines with flows of the test's own; every one is stopped at its end."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []
        self.sweeps = 0
        self._engines: list[Engine] = []

    def start(self, threads: int = 2, every_s: float = 0.02, **flows: Flow) -> Engine:
        engine = Engine(
            {"sweep": self._sweep, **flows},
            threads=threads,
            every_s=every_s,
            failed=lambda flow, key: self.failures.append((flow, key)),
        )
        self._engines.append(engine)
        engine.start()
        return engine

    def _sweep(self, _key: str) -> None:
        self.sweeps += 1

    def stop(self) -> None:
        for engine in self._engines:
            engine.stop()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.stop()


def test_a_flow_is_run_with_its_key(bench: Bench):
    """A wake-up is a flow's name and a key, nothing else."""
    seen: list[str] = []
    engine = bench.start(work=seen.append)
    engine.wake("work", "one")
    eventually(lambda: seen == ["one"], within=3)


def test_a_flow_that_raises_does_not_stop_the_others(bench: Bench):
    """More failures than threads: the next flow still runs, and each failure was heard."""
    seen: list[str] = []

    def broken(_key: str) -> None:
        raise UnforeseenError

    engine = bench.start(threads=2, broken=broken, work=seen.append)
    for number in range(6):
        engine.wake("broken", str(number))
    engine.wake("work", "after")
    eventually(lambda: seen == ["after"], within=3)
    eventually(lambda: len(bench.failures) == 6, within=3)
    assert set(bench.failures) == {("broken", str(number)) for number in range(6)}


def test_the_words_of_an_unexpected_error_are_in_the_log(bench: Bench, caplog: pytest.LogCaptureFixture):
    """With its traceback: it is our bug, and somebody has to find it."""

    def broken(_key: str) -> None:
        raise UnforeseenError

    bench.start(broken=broken).wake("broken", "7")
    eventually(lambda: bench.failures, within=3)
    [record] = [one for one in caplog.records if "flow broken 7 failed" in one.message]
    assert record.exc_info is not None


@pytest.mark.parametrize("error", [StoreBusyError("locked"), LeaseLostError("case:1")])
def test_a_busy_database_and_a_lost_lease_are_only_warnings(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: Exception
):
    """Nothing is wrong with the flow's key: the sweep brings it again, at once and not later each time."""
    caplog.set_level(logging.WARNING, "bridge.flows.engine")

    def busy(_key: str) -> None:
        raise error

    bench.start(busy=busy).wake("busy", "7")
    [record] = eventually(lambda: [one for one in caplog.records if "busy 7" in one.message], within=3)
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    stays(lambda: not bench.failures, seconds=0.1)


def test_a_wrong_setting_is_an_error_and_is_put_off(bench: Bench, caplog: pytest.LogCaptureFixture):
    """A person has to set it right; until then it is tried less and less often."""

    def unset(_key: str) -> None:
        raise SettingsError("KOPI_TOKEN_FILE names a file that cannot be read")

    bench.start(unset=unset).wake("unset", "7")
    [record] = eventually(lambda: [one for one in caplog.records if "setting" in one.message], within=3)
    assert record.levelname == "ERROR"
    eventually(lambda: bench.failures, within=3)


def test_a_key_is_queued_once(bench: Bench):
    """A hundred webhooks about one ticket while all threads are busy: one look, not a hundred."""
    seen: list[str] = []
    occupied, leave = threading.Event(), threading.Event()

    def occupy(_key: str) -> None:
        occupied.set()
        leave.wait(5)

    engine = bench.start(threads=1, occupy=occupy, work=seen.append)
    engine.wake("occupy", "")
    assert occupied.wait(3)
    for _ in range(100):
        engine.wake("work", "one")
        engine.wake("work", "two")
    leave.set()
    eventually(lambda: len(seen) >= 2, within=3)
    stays(lambda: sorted(seen) == ["one", "two"], seconds=0.15)


def test_a_key_that_is_being_worked_on_is_queued_again(bench: Bench):
    """The run may have read past the new fact: it needs a look of its own."""
    runs: list[int] = []
    inside, leave = threading.Event(), threading.Event()

    def work(_key: str) -> None:
        runs.append(1)
        inside.set()
        leave.wait(5)

    engine = bench.start(threads=1, work=work)
    engine.wake("work", "one")
    assert inside.wait(3)
    engine.wake("work", "one")
    engine.wake("work", "one")
    leave.set()
    eventually(lambda: len(runs) == 2, within=3)
    stays(lambda: len(runs) == 2, seconds=0.15)


def test_stopping_finishes_what_runs(bench: Bench):
    """Graceful: the call on its way is settled, its result recorded."""
    inside, finished = threading.Event(), threading.Event()

    def work(_key: str) -> None:
        inside.set()
        leave.wait(5)
        finished.set()

    leave = threading.Event()
    engine = bench.start(threads=2, work=work)
    engine.wake("work", "one")
    assert inside.wait(3)
    threading.Timer(0.1, leave.set).start()
    engine.stop()
    assert finished.is_set()


def test_stopping_leaves_what_only_waits(bench: Bench):
    """It is in the tables, and the next start finds it."""
    seen: list[str] = []
    inside, leave = threading.Event(), threading.Event()

    def occupy(_key: str) -> None:
        inside.set()
        leave.wait(5)

    engine = bench.start(threads=1, occupy=occupy, work=seen.append)
    engine.wake("occupy", "")
    assert inside.wait(3)
    engine.wake("work", "waiting")
    threading.Timer(0.1, leave.set).start()
    engine.stop()
    engine.wake("work", "too late")
    assert seen == []


def test_waking_before_the_start_is_not_lost(bench: Bench):
    """The door may hear something while the workers are still coming up."""
    seen: list[str] = []
    engine = Engine(
        {"sweep": lambda _: None, "work": seen.append}, threads=1, every_s=1, failed=lambda *_: None
    )
    engine.wake("work", "early")
    engine.start()
    eventually(lambda: seen == ["early"], within=3)
    engine.stop()


def test_the_sweep_runs_at_the_start_and_then_again_and_again(bench: Bench):
    """What was due while nobody was there is found at once."""
    bench.start(every_s=0.02)
    eventually(lambda: bench.sweeps > 3, within=3)


@pytest.mark.parametrize("error", [UnforeseenError(), StoreBusyError("locked"), SettingsError("wrong")])
def test_a_sweep_that_fails_is_followed_by_another(bench: Bench, error: Exception):
    """Without it nothing is ever found again, so nothing may end it."""
    sweeps: list[int] = []

    def sweep(_key: str) -> None:
        sweeps.append(1)
        raise error

    bench.start(every_s=0.01, sweep=sweep)
    eventually(lambda: len(sweeps) > 3, within=3)


def test_not_even_a_failure_to_note_a_failure_ends_the_sweep(caplog: pytest.LogCaptureFixture):
    """The disk is full: the flow fails, and writing that down fails as well."""
    sweeps: list[int] = []

    def sweep(_key: str) -> None:
        sweeps.append(1)
        raise UnforeseenError

    def failed(_flow: str, _key: str) -> None:
        raise StoreBusyError("the disk is full")

    engine = Engine({"sweep": sweep}, threads=1, every_s=0.01, failed=failed)
    engine.start()
    try:
        eventually(lambda: len(sweeps) > 3, within=3)
    finally:
        engine.stop()
    assert "the disk is full" in caplog.text


def test_what_was_committed_and_never_woken_is_found_by_the_sweep(sandbox: Sandbox, running: InProcess):
    """The process died between the commit and the wake-up: the row itself is enough."""
    door = running.bridge.door
    with running.database.write() as tx:
        body = b'{"type": "zen:event-type:ticket.status_changed", "detail": {"id": "4711"}}'
        key = add_delivery(tx, body=body, at=door.clock.now())

    def found() -> bool:
        with running.database.read() as tx:
            one = tx.get_one(Delivery, key)
            return one.due_at > one.received_at  # nobody knows that ticket; it was looked for

    eventually(found, within=5, what="the sweep's find")


def test_what_was_recorded_while_no_worker_ran_is_done_by_the_next_one(
    sandbox: Sandbox, running: InProcess, wait_for_ticket: Callable[[], None]
):
    """`bridge web` alone takes things in; the worker starts later."""
    running.bridge.engine.stop()
    sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"])

    def recorded() -> bool:
        with running.database.read() as tx:
            return tx.query(Delivery).where(Delivery.source == "standard").count() == 1

    eventually(recorded, within=5)
    assert sandbox.zendesk.tickets() == []
    running.restart()
    wait_for_ticket()


@pytest.fixture
def wait_for_ticket(sandbox: Sandbox) -> Callable[[], None]:
    return lambda: eventually(lambda: len(sandbox.zendesk.tickets()) == 1, what="the ticket")


class Opened:
    """A flow that another has begun."""

    flow, key = "work", "case-1"

    def __init__(self, fail: bool) -> None:
        self.fail = fail
        self.thread: int | None = None

    def go(self) -> None:
        self.thread = threading.get_ident()
        if self.fail:
            raise UnforeseenError


@pytest.mark.parametrize("fail", [False, True])
def test_what_a_flow_has_begun_goes_on_at_once_and_fails_under_its_own_name(bench: Bench, fail: bool):
    """On the same thread; the one that began it has ended well."""
    opened, began = Opened(fail), list[int]()

    def take_in(_key: str) -> Opened:
        began.append(threading.get_ident())
        return opened

    engine = bench.start(take_in=take_in)
    engine.wake("take_in", "delivery-1")

    eventually(lambda: opened.thread is not None, what="the flow that was begun")
    assert began == [opened.thread]
    if fail:
        eventually(lambda: bench.failures, what="the failure")
    assert bench.failures == ([("work", "case-1")] if fail else [])
