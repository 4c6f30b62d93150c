"""The chaos knobs, as a client on the other end of the wire sees them."""

import threading

import pytest
import requests

from bridge.sandbox import Sandbox


def post(sandbox: Sandbox, key: str = "k") -> requests.Response:
    url = f"{sandbox.mastodon.url}/api/v1/statuses"
    token = sandbox.mastodon.tokens["kopi"]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return requests.post(url, json={"status": "hello"}, headers=headers, timeout=5)


def test_lost_response_takes_effect_and_cuts_the_connection(sandbox):
    """The client gets no answer, and the post is there."""
    sandbox.faults.add("mastodon", "post_status", "lost_response")
    with pytest.raises(requests.ConnectionError):
        post(sandbox)
    assert len(sandbox.mastodon.posts()) == 1
    assert post(sandbox, "other").status_code == 200


def test_drop_before_takes_no_effect(sandbox):
    """The client cannot tell it from a lost response."""
    sandbox.faults.add("mastodon", "*", "drop_before")
    with pytest.raises(requests.ConnectionError):
        post(sandbox)
    assert sandbox.mastodon.posts() == []


def test_status_is_answered_with_its_retry_after_and_used_up(sandbox):
    """Seconds or a date, as given; nothing is done."""
    date = "Sat, 21 Nov 2026 20:00:00 GMT"
    sandbox.faults.add("mastodon", "post_status", "status", 2, status=429, retry_after=date)
    refused = post(sandbox)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, date)
    assert sandbox.mastodon.posts() == []
    assert [post(sandbox).status_code for _ in range(2)] == [429, 200]


def test_status_after_takes_effect(sandbox):
    """A 500 to a write proves nothing."""
    sandbox.faults.add("mastodon", "post_status", "status_after", status=500)
    assert post(sandbox).status_code == 500
    assert len(sandbox.mastodon.posts()) == 1


@pytest.mark.parametrize(("kind", "done"), [("hold", 0), ("hold_after", 1)])
def test_held_call_waits_before_or_after_its_effect(sandbox, kind, done):
    """A test may kill the caller in between."""
    fault = sandbox.faults.add("mastodon", "post_status", kind)
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(post(sandbox).status_code))
    caller.start()
    assert fault.reached.wait(5)
    assert (len(sandbox.mastodon.posts()), answers) == (done, [])
    fault.release()
    caller.join()
    assert answers == [200]


def test_delay_is_waited_out(sandbox):
    """The caller's timeout decides."""
    sandbox.faults.add("mastodon", "read_instance", "delay", seconds=0.2)
    url = f"{sandbox.mastodon.url}/api/v2/instance"
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=0.05)
    assert requests.get(url, timeout=5).status_code == 200


def test_every_call_is_logged_with_its_key(sandbox):
    """What a test counts: vendor, operation, key, and the fault that it met."""
    sandbox.faults.add("mastodon", "post_status", "status")
    post(sandbox, "one")
    post(sandbox, "two")
    calls = sandbox.calls.list("mastodon", "post_status")
    assert [(call.key, call.fault) for call in calls] == [("one", "status"), ("two", None)]
    assert sandbox.calls.count()["mastodon", "post_status"] == 2


def test_stop_leaves_no_thread_behind():
    """The sandbox runs inside test sessions that count threads."""
    before = threading.active_count()
    with Sandbox() as sandbox:
        post(sandbox)
        assert threading.active_count() > before
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("sandbox-")]
    assert names == []
