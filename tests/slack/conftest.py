from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.slack import SlackAccount, SlackTeam
from tests.slack.fake import FakeSlack

TOKEN = "test-bot-token-one"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment would swallow calls to loopback too."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    fake = FakeSlack()
    yield fake
    fake.close()


@pytest.fixture
def account(slack: FakeSlack) -> SlackAccount:
    return SlackAccount(
        bot_token=TOKEN,
        signing_secrets=("test-secret-one",),
        api_url=slack.url,
        timeout_s=2.0,
    )


@pytest.fixture
def slept() -> list[float]:
    """How long the team waited between reads, in seconds; nobody really waits."""
    return []


@pytest.fixture
def team(account: SlackAccount, slept: list[float]) -> SlackTeam:
    return SlackTeam(account, sleep=slept.append)
