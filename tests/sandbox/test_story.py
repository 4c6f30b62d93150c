"""The demo's story: it passes where a bridge closes loops, and says what is missing where none does."""

from bridge.sandbox import Sandbox
from bridge.sandbox.loops import loops
from bridge.sandbox.story import Progress, Step, Story
from tests.sandbox.puppet import play
from tests.sandbox.tiny_bridge import TinyBridge


def test_story_is_told_to_its_end_where_the_loops_are_closed(sandbox):
    """Every step is announced, settled and right; the loops show every station."""
    bridge = TinyBridge(sandbox)
    told: list[Step] = []
    try:
        settled = Story(sandbox, told.append, timeout_s=10).play()
    finally:
        bridge.stop()
    assert [(step.title, step.detail) for step in settled if not step.ok] == []
    assert [step.progress for step in told] == [Progress.DOING, Progress.DONE] * len(settled)
    assert all(done for loop in loops(sandbox) for _, done in loop.steps())


def test_story_names_the_step_at_which_a_bridge_fails(sandbox):
    """A bridge that is deaf to solves: the closing reply is missing, and nothing after it is played."""
    bridge = TinyBridge(sandbox, deaf_to_solves=True)
    try:
        settled = Story(sandbox, lambda step: None, timeout_s=1.5).play()
    finally:
        bridge.stop()
    failed = next(step for step in settled if not step.ok)
    assert (failed.progress, failed.detail) == (Progress.MISSING, "no closing reply in the thread on Plaza")
    assert {step.progress for step in settled[failed.number :]} == {Progress.NOT_REACHED}


def test_story_without_a_bridge_ends_at_its_first_step(sandbox):
    """Not ready: nobody posts anything."""
    settled = Story(sandbox, lambda step: None, lambda: False, timeout_s=0.05).play()
    assert settled[0].detail == "the bridge does not say that it is ready"
    assert {step.progress for step in settled[1:]} == {Progress.NOT_REACHED}
    assert sandbox.plaza.posts() == []


def test_loops_are_told_apart_by_what_tickets_and_cards_show():
    """Links first, words where there is no link; a thread that nobody took up has neither."""
    with Sandbox() as sandbox:
        play(sandbox)
        found = loops(sandbox)
        assert [(loop.root.author, len(loop.tickets), len(loop.cards)) for loop in found] == [
            ("somchai", 1, 1),
            ("maria", 1, 1),
            ("jan", 0, 0),
        ]
        assert (found[0].receipt_on_card(), found[1].receipt_on_card()) == ("closed publicly", None)
        assert found[1].root.tags == ("technical-issue",)
