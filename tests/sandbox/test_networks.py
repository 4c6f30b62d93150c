"""The fake Mastodon, Plaza and tag source, talked to by requests as the bridge does."""

import json
import time

import pytest
import requests

from bridge.sandbox import Sandbox
from bridge.sandbox.signing import standard_headers, standard_is_authentic
from tests.sandbox.conftest import Receiver


class Client:
    """A brand's line to the fake Mastodon."""

    def __init__(self, sandbox: Sandbox, brand: str = "kopi") -> None:
        self._root = f"{sandbox.mastodon.url}/api"
        self._headers = {"Authorization": f"Bearer {sandbox.mastodon.tokens[brand]}"}

    def get(self, path: str, **query: object) -> requests.Response:
        return requests.get(f"{self._root}{path}", params=query, headers=self._headers, timeout=5)

    def reply(self, text: str, parent: str | None, key: str = "", **more: str) -> requests.Response:
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        body = {"status": text, "in_reply_to_id": parent} | more
        return requests.post(f"{self._root}/v1/statuses", json=body, headers=headers, timeout=5)


@pytest.fixture
def kopi(sandbox: Sandbox) -> Client:
    return Client(sandbox)


def test_mention_becomes_a_notification_of_that_brand_only(sandbox, kopi):
    """The text is HTML with the mention as Mastodon renders it."""
    sandbox.mastodon.post("ania", "nie działa <script> & co\ndruga", language="pl")
    (told,) = kopi.get("/v1/notifications").json()
    assert told["type"] == "mention"
    assert told["status"]["language"] == "pl"
    content = told["status"]["content"]
    assert content.startswith('<p><span class="h-card" translate="no"><a href="')
    assert "nie działa &lt;script&gt; &amp; co<br />druga</p>" in content
    assert Client(sandbox, "rower").get("/v1/notifications").json() == []


def test_person_of_this_server_may_be_written_with_its_domain(sandbox, kopi):
    """An answer that begins with the full handle reaches the customer."""
    root = sandbox.mastodon.post("ania", "it broke")
    reply = kopi.reply("@ania@127.0.0.1 sorry, @nobody", root.id).json()
    assert [person["acct"] for person in reply["mentions"]] == ["ania"]
    assert 'class="u-url mention">@<span>ania</span></a></span> sorry, @nobody' in reply["content"]


def test_min_id_walks_forward_without_gaps(sandbox, kopi):
    """min_id gives the ones right after it, each page newest first."""
    for number in range(5):
        sandbox.mastodon.post("ania", f"post {number}")
    everything = kopi.get("/v1/notifications").json()
    oldest = everything[-1]["id"]
    answer = kopi.get("/v1/notifications", min_id=oldest, limit=2)
    assert [one["id"] for one in answer.json()] == [everything[2]["id"], everything[3]["id"]]
    assert f'min_id={everything[2]["id"]}>; rel="prev"' in answer.headers["Link"]
    assert kopi.get("/v1/notifications", min_id=everything[0]["id"]).json() == []


def test_answer_without_a_mention_is_only_in_the_context(sandbox, kopi):
    """Why open threads are read again."""
    root = sandbox.mastodon.post("ania", "it broke")
    late = sandbox.mastodon.post("ania", "and now this", reply_to=root.id, mention=False)
    assert len(kopi.get("/v1/notifications").json()) == 1
    context = kopi.get(f"/v1/statuses/{root.id}/context").json()
    assert [one["id"] for one in context["descendants"]] == [late.id]
    assert kopi.get(f"/v1/statuses/{late.id}/context").json()["ancestors"][0]["id"] == root.id


def test_reply_with_the_same_key_is_one_post_where_keys_are_honoured(sandbox, kopi):
    """Even when the text differs, as on the real server."""
    root = sandbox.mastodon.post("ania", "it broke")
    first = kopi.reply("@ania sorry", root.id, key="intent-1").json()
    assert kopi.reply("@ania sorry!", root.id, key="intent-1").json()["id"] == first["id"]
    assert first["in_reply_to_id"] == root.id


def test_reply_with_the_same_key_is_two_posts_where_keys_are_ignored():
    """GoToSocial, snac and Takahe."""
    with Sandbox(honours_keys=False) as sandbox:
        root = sandbox.mastodon.post("ania", "it broke")
        for _ in range(2):
            Client(sandbox).reply("@ania sorry", root.id, key="intent-1")
        assert len(sandbox.mastodon.thread(root.uri)) == 3


def test_new_post_shows_late_when_the_knob_says_so():
    """Not found proves little at once."""
    with Sandbox(visible_after_s=0.15) as sandbox:
        kopi, root = Client(sandbox), sandbox.mastodon.post("ania", "it broke")
        kopi.reply("@ania sorry", root.id)
        path = f"/v1/statuses/{root.id}/context"
        assert kopi.get(path).json()["descendants"] == []
        deadline = time.monotonic() + 5
        while not (shown := kopi.get(path).json()["descendants"]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(shown) == 1


@pytest.mark.parametrize(
    ("text", "parent", "status"),
    [("@ania x", "1", 404), ("   ", None, 422), ("é" * 501, None, 422), ("👩‍👩‍👧" * 500, None, 200)],
)
def test_posts_are_refused_as_the_real_server_does(kopi, text, parent, status):
    """404 for a missing parent, 422 for blank and over-long, counted in graphemes."""
    assert kopi.reply(text, parent).status_code == status


def test_deleted_and_private_posts_are_404(sandbox, kopi):
    """A reply to what is gone, or was never ours to see, finds no parent."""
    gone = sandbox.mastodon.post("ania", "it broke")
    sandbox.mastodon.delete(gone.id)
    hidden = sandbox.mastodon.post("ania", "psst", visibility="direct", mention=False)
    for status in (gone, hidden):
        assert kopi.get(f"/v1/statuses/{status.id}").status_code == 404
        assert kopi.reply("@ania x", status.id).status_code == 404
    assert kopi.get("/v1/notifications").json() == []


def test_bad_token_is_401(sandbox):
    """And the instance is public."""
    url = sandbox.mastodon.url
    headers = {"Authorization": "Bearer wrong"}
    path = f"{url}/api/v1/accounts/verify_credentials"
    assert requests.get(path, headers=headers, timeout=5).status_code == 401
    instance = requests.get(f"{url}/api/v2/instance", timeout=5).json()
    assert instance["configuration"]["statuses"]["max_characters"] == 500


def test_search_resolves_a_uri_and_the_permalink_opens(sandbox, kopi):
    """A tag source names a post by its URI."""
    status = sandbox.mastodon.post("ania", "it <b>broke</b>")
    found = kopi.get("/v2/search", q=status.uri, resolve="true", type="statuses").json()["statuses"]
    assert [one["id"] for one in found] == [status.id]
    assert "it &lt;b&gt;broke" in requests.get(status.url, timeout=5).text


def ask(
    sandbox: Sandbox, text: str, parent: str, key: str = "intent-1", secret: str = ""
) -> requests.Response:
    plaza = sandbox.plaza
    data = {"in_reply_to": parent, "network": "standard", "text": text, "visibility": "public"}
    body = json.dumps({"type": "social.reply.requested", "timestamp": "now", "data": data}).encode()
    headers = standard_headers(secret or plaza.secret, key, body)
    return requests.post(plaza.reply_url, data=body, headers=headers, timeout=5)


def look(sandbox: Sandbox, **query: str) -> requests.Response:
    """A signed read at the reply address."""
    headers = standard_headers(sandbox.plaza.secret, "read", b"")
    return requests.get(sandbox.plaza.reply_url, params=query, headers=headers, timeout=5)


def test_posts_edits_and_deletions_are_told_with_a_signature(sandbox, receiver: Receiver):
    """Standard Webhooks, over the raw bytes, with non-ASCII text in them."""
    sandbox.point_at(receiver.url)
    post = sandbox.plaza.post("somchai", "แอปพังอีกแล้ว", language="th", tags=["technical-issue"])
    sandbox.plaza.edit(post.id, "แอปพังจริง ๆ")
    sandbox.plaza.delete(post.id)
    heard = receiver.wait_for(3, "/hooks/social/kopi-plaza")
    told = [json.loads(one.body) for one in heard]
    assert [one["type"] for one in told] == [
        f"social.message.{what}" for what in ("created", "updated", "deleted")
    ]
    assert all(standard_is_authentic(sandbox.plaza.secret, one.headers, one.body) for one in heard)
    assert told[0]["data"]["root_id"] == post.id
    assert told[0]["data"]["tags"] == ["technical-issue"]
    assert told[1]["data"]["edited_at"]


def test_webhook_is_repeated_with_its_id_until_somebody_takes_it(sandbox, receiver: Receiver):
    """The bridge may be down or unwell: the id stays, whatever the status was."""
    receiver.statuses = [500, 404]
    sandbox.point_at(receiver.url)
    sandbox.plaza.post("somchai", "help")
    heard = receiver.wait_for(3)
    assert len({one.headers["webhook-id"] for one in heard}) == 1
    assert sandbox.wait_idle()
    assert [attempt.status for attempt in sandbox.plaza.sender.attempts()] == [500, 404, 200]


def test_reply_is_made_once_for_its_key_and_found_by_it(sandbox):
    """Same webhook-id, same answer; a look by key finds it, and nothing before."""
    plaza = sandbox.plaza
    post = plaza.post("somchai", "help")
    assert look(sandbox, key="intent-1").status_code == 404
    first, again = ask(sandbox, "Sorry!", post.id), ask(sandbox, "Sorry!", post.id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert look(sandbox, key="intent-1").json() == first.json()
    assert [(one.author, one.text) for one in plaza.thread(post.id)] == [
        ("somchai", "help"),
        ("kopi", "Sorry!"),
    ]


def test_reply_that_cannot_be_is_refused_with_its_reason(sandbox):
    """Gone, blocked, closed, forged."""
    plaza = sandbox.plaza
    post = plaza.post("somchai", "help")
    assert ask(sandbox, "x", post.id, secret="whsec_b3RoZXI=").status_code == 401
    plaza.close_replies(post.id)
    assert ask(sandbox, "x", post.id).status_code == 409
    plaza.block_brand("somchai")
    assert ask(sandbox, "x", post.id).status_code == 403
    plaza.delete(post.id)
    assert ask(sandbox, "x", post.id).status_code == 410
    assert ask(sandbox, "x", "no-such-post").status_code == 410


def test_look_at_a_message_tells_its_state_and_answers(sandbox):
    """Present, edited, deleted; an answer by hand is marked as the brand's own."""
    plaza = sandbox.plaza
    post = plaza.post("somchai", "help")

    def seen() -> tuple[str, list[bool]]:
        told = look(sandbox, message=post.id).json()
        return told["state"], [answer["own"] for answer in told["answers"]]

    assert seen() == ("present", [])
    plaza.brand_posts("by hand", reply_to=post.id)
    plaza.edit(post.id, "HELP")
    assert seen() == ("edited", [True])
    plaza.delete(post.id)
    assert seen()[0] == "deleted"
    assert requests.get(plaza.reply_url, params={"message": post.id}, timeout=5).status_code == 401


def test_tag_source_speaks_of_any_network(sandbox, receiver: Receiver):
    """Where a tag comes from is not where the post comes from."""
    sandbox.point_at(receiver.url)
    sandbox.tags.tag("mastodon", "http://x/users/ania/statuses/1", "technical-issue")
    (heard,) = receiver.wait_for(1, "/hooks/social/social-team-tags")
    assert standard_is_authentic(sandbox.tags.secret, heard.headers, heard.body)
    told = json.loads(heard.body)
    assert told["type"] == "social.message.tagged"
    assert (told["data"]["network"], told["data"]["tags"]) == ("mastodon", ["technical-issue"])
