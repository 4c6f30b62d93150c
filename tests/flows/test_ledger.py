"""An intent on its way: what was unclear stays unclear until it is known, whoever comes next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from bridge.core.intent import Effect, IntentState
from bridge.errors import VendorBusyError, VendorRefusedError, VendorUnclearError
from bridge.flows.effects.desk import KEY_LASTS, OpenTicket
from bridge.flows.recipe import Outcome, Stop
from bridge.store import casefile, lanes
from bridge.store.leases import LeaseLostError
from bridge.store.presence import NotPresentError
from bridge.store.tables import Intent, LeaseRow
from tests.flows.alone import CALL, SETTLE, Engine, Killed
from tests.store.conftest import NOON

UNCLEAR = VendorUnclearError("plaza", "reply", "no answer")
BUSY = VendorBusyError("plaza", "reply", "answered 429", retry_after_s=2)
LONG = CALL + SETTLE + timedelta(seconds=1)


def told(engine: Engine) -> list[str]:
    with engine.database.read() as tx:
        return [line.kind for line in casefile.read(tx, engine.case)]


def test_a_second_call_has_the_time_of_its_own(engine: Engine):
    """The first ended unclear, a kill took the second: it may arrive as late as any call may."""
    engine.outside.answers = [UNCLEAR, Killed()]
    note = engine.wish(Effect.POST_NOTE)
    engine.work()
    engine.be_killed(LONG)
    engine.work(timedelta(seconds=1))
    assert engine.intent(note).state == IntentState.SENDING
    assert len(engine.outside.sent) == 2
    assert engine.intent(note).due_at == NOON + LONG + CALL + SETTLE


def test_a_reply_whose_senders_were_killed_twice_is_not_sent_a_third_time(engine: Engine):
    """A call that ended in a kill is as unclear as one without an answer."""
    engine.outside.answers = [Killed(), Killed()]
    reply = engine.wish()
    engine.be_killed()
    engine.be_killed(LONG)
    engine.work(LONG)
    assert engine.intent(reply).state == IntentState.UNKNOWN
    assert "third time" in (engine.intent(reply).reason or "")
    assert len(engine.outside.sent) == 2


def test_a_reply_is_sent_once_more_when_nothing_shows_it(engine: Engine):
    """One unclear answer, and a thread without it: a person need not be asked."""
    engine.outside.answers = [UNCLEAR]
    reply = engine.wish()
    engine.work()
    engine.work(LONG)
    assert engine.intent(reply).state == IntentState.CONFIRMED
    assert len(engine.outside.sent) == 2


def test_a_try_that_did_nothing_does_not_use_up_the_second_one(engine: Engine):
    """The vendor was busy when the reply was sent once more: that changed nothing, and it may be sent yet."""
    engine.outside.answers = [UNCLEAR, BUSY]
    reply = engine.wish()
    engine.work()
    engine.work(LONG)
    engine.work(LONG)
    assert engine.intent(reply).state == IntentState.CONFIRMED
    assert len(engine.outside.sent) == 3


def test_a_reply_that_trips_over_a_fault_of_ours_is_not_sent_a_third_time(engine: Engine):
    """The vendor may have posted it before we tripped over the answer: that is unclear, too."""
    engine.outside.answers = [RuntimeError("an odd answer") for _ in range(9)]
    reply = engine.wish()
    for _ in range(9):
        engine.work(timedelta(minutes=10))
    assert engine.intent(reply).state == IntentState.UNKNOWN
    assert len(engine.outside.sent) == 2


def test_a_look_that_fails_ends_nobody_elses_call(engine: Engine):
    """A fault of ours while we look tells nothing of a worker that may still be sending."""
    reply = engine.wish(state=IntentState.SENDING, sender="another", sent_at=NOON, first_sent_at=NOON)
    engine.world.presence._proof.lives = lambda _tx, _worker: True  # type: ignore[method-assign]

    def trip() -> None:
        raise RuntimeError("a fault of ours")

    engine.outside.looking = trip
    engine.work()
    assert engine.intent(reply).over_at is None
    engine.outside.looking = lambda: None
    engine.work(LONG)
    assert engine.outside.sent == []
    assert engine.intent(reply).state == IntentState.UNKNOWN


def test_a_call_that_a_thread_of_ours_is_making_is_not_made_beside_it(engine: Engine):
    """It hangs for longer than its lease: another thread of this process looks, and does not send."""
    reply = engine.wish(
        state=IntentState.SENDING, sender=engine.world.presence.worker, sent_at=NOON, first_sent_at=NOON
    )
    with engine.world.calling(reply):
        engine.work(LONG)
    assert engine.outside.sent == []
    assert engine.intent(reply).state == IntentState.UNKNOWN


def test_a_second_try_that_did_nothing_does_not_make_the_first_clear(engine: Engine):
    """Unclear, then busy: what the first call did is looked for before a third."""
    engine.outside.answers = [UNCLEAR, BUSY]
    note = engine.wish(Effect.POST_NOTE)
    engine.work()
    engine.work(LONG)
    assert len(engine.outside.sent) == 2
    engine.outside.shown = Outcome("note-1")
    engine.work(timedelta(minutes=5))
    assert engine.intent(note).state == IntentState.CONFIRMED
    assert engine.intent(note).outcome_id == "note-1"
    assert len(engine.outside.sent) == 2


def test_a_pause_that_begins_during_the_look_keeps_the_reply_back(engine: Engine):
    """Between the look at the thread and the call somebody stopped everything public."""
    reply = engine.wish()

    def pause() -> None:
        with engine.database.write() as tx:
            lanes.park(tx, lanes.PUBLIC, "a fire", "ana", NOON)

    engine.outside.looking = pause
    engine.work()
    assert engine.outside.sent == []
    assert engine.intent(reply).state == IntentState.APPROVED


@pytest.mark.parametrize("effect", [Effect.REPLY, Effect.POST_NOTE])
def test_who_cannot_be_seen_to_live_sends_nothing(engine: Engine, effect: Effect):
    """Others would take it for dead, and send beside it."""
    wished = engine.wish(effect)
    proof = engine.world.presence._proof
    lives, proof.lives = proof.lives, lambda _tx, _worker: False  # type: ignore[method-assign]
    with pytest.raises(NotPresentError):
        engine.work()
    assert engine.outside.sent == []
    assert engine.intent(wished).state == IntentState.APPROVED
    proof.lives = lives  # type: ignore[method-assign]
    engine.work()
    assert engine.intent(wished).state == IntentState.CONFIRMED


def test_who_lost_the_case_while_looking_sends_nothing(engine: Engine):
    """The look took longer than the lease, and another worker has the case by now."""
    reply = engine.wish()

    def take() -> None:
        with engine.database.write() as tx:
            tx.execute(update(LeaseRow).values(holder="another", fence=LeaseRow.fence + 1))

    engine.outside.looking = take
    with pytest.raises(LeaseLostError):
        engine.work()
    assert engine.outside.sent == []
    assert engine.intent(reply).state == IntentState.APPROVED


@pytest.mark.parametrize("effect", [Effect.REPLY, Effect.POST_NOTE])
def test_who_lost_the_case_while_calling_writes_nothing(engine: Engine, effect: Effect):
    """Another worker has looked for the call by now, and decided what comes next: that stands."""
    wished = engine.wish(effect)

    def take(intent: Intent) -> None:
        with engine.database.write() as tx:
            tx.execute(update(LeaseRow).values(holder="another", fence=LeaseRow.fence + 1))
            tx.get_one(Intent, intent.id).reason = "the other one's"

    engine.outside.sending = take
    with pytest.raises(LeaseLostError):
        engine.work()
    assert engine.intent(wished).state == IntentState.SENDING
    assert engine.intent(wished).reason == "the other one's"


def test_a_key_of_the_vendor_is_as_old_as_the_first_try(engine: Engine):
    """Later tries with the same key do not make the vendor remember it for longer."""
    engine.outside.answers = [UNCLEAR, UNCLEAR, UNCLEAR]
    note = engine.wish(Effect.POST_NOTE)
    engine.work()
    engine.work(timedelta(minutes=50))
    engine.work(timedelta(minutes=50))
    assert len(engine.outside.sent) == 3
    tried = engine.intent(note)
    assert OpenTicket(engine.world).covered(tried, NOON + KEY_LASTS - timedelta(seconds=1))
    assert not OpenTicket(engine.world).covered(tried, NOON + KEY_LASTS)


def test_what_another_intent_has_made_is_not_taken_for_this_ones(engine: Engine):
    """Two agents may both write "Thanks!"."""
    engine.wish(cause="update:0", state=IntentState.CONFIRMED, outcome_id="post-1")
    engine.outside.answers = [UNCLEAR]
    engine.wish()
    engine.work()
    engine.work(LONG)
    assert set(engine.outside.claimed) == {"post-1"}


@pytest.mark.parametrize(
    "stop", [None, Stop(False, "Somebody has answered."), Stop(True, "the post is gone")]
)
def test_what_a_person_decided_while_the_bridge_looked_stands(engine: Engine, stop: Stop | None):
    """Refused in that moment: it is neither sent nor held, and nothing is amiss."""
    reply = engine.wish()

    def refuse() -> Stop | None:
        engine.change(reply, state=IntentState.REFUSED, decided_by="ana", reason="ana decided against it")
        return stop

    engine.outside.looking = refuse
    engine.work()
    assert engine.outside.sent == []
    assert engine.intent(reply).state == IntentState.REFUSED
    assert engine.intent(reply).reason == "ana decided against it"
    assert "error" not in told(engine)


def test_a_look_that_is_refused_leaves_what_may_have_happened_unknown(engine: Engine):
    """Nothing shows that it did not happen: it is no draft again, it is a question."""
    engine.outside.answers = [UNCLEAR]
    reply = engine.wish()
    engine.work()

    def refuse() -> None:
        raise VendorRefusedError("plaza", "look", "answered 403")

    engine.outside.looking = refuse
    engine.work(LONG)
    assert engine.intent(reply).state == IntentState.UNKNOWN
    assert len(engine.outside.sent) == 1


def test_what_keeps_failing_with_a_call_behind_it_ends_unknown(engine: Engine):
    """A person who decides about it has to know that it may be out."""
    engine.outside.answers = [UNCLEAR]
    reply = engine.wish()
    engine.work()

    def trip() -> None:
        raise RuntimeError("a fault of ours")

    engine.outside.looking = trip
    for _ in range(9):
        engine.work(timedelta(minutes=10))
    assert engine.intent(reply).state == IntentState.UNKNOWN


def test_a_look_that_comes_early_sends_nothing(engine: Engine):
    """Somebody woke it before what its call did could show."""
    ended = engine.wish(
        Effect.POST_NOTE,
        state=IntentState.SENDING,
        sender="another",
        sent_at=NOON,
        first_sent_at=NOON,
        over_at=NOON,
        unclear=1,
    )
    engine.work(SETTLE - timedelta(seconds=1))
    assert engine.outside.looks == 1
    assert engine.outside.sent == []
    assert engine.intent(ended).due_at == NOON + SETTLE


def test_a_fault_of_ours_after_the_case_was_lost_is_not_written_down(engine: Engine):
    """Another worker goes on with it, and its tries are its own."""
    reply = engine.wish()

    def trip() -> None:
        with engine.database.write() as tx:
            tx.execute(update(LeaseRow).values(holder="another", fence=LeaseRow.fence + 1))
        raise RuntimeError("a fault of ours")

    engine.outside.looking = trip
    with pytest.raises(LeaseLostError):
        engine.work()
    assert engine.intent(reply).attempts == 0
    assert "error" not in told(engine)


def test_a_vendors_no_after_an_approval_is_not_the_approvers_no(engine: Engine):
    """Whoever looks at it next may have it sent again."""
    engine.outside.answers = [VendorRefusedError("plaza", "reply", "answered 422")]
    reply = engine.wish(decided_by="ana")
    engine.work()
    assert engine.intent(reply).state == IntentState.REFUSED
    assert engine.intent(reply).decided_by is None
