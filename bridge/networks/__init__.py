"""The social networks that the bridge speaks to: one room and one line each."""

from __future__ import annotations

from bridge.core.ports import Network
from bridge.networks.mastodon import NETWORK as MASTODON
from bridge.networks.standard import NETWORK as STANDARD

NETWORKS: dict[str, Network] = {
    "mastodon": MASTODON,
    "standard": STANDARD,
}
