"""Mastodon, and the servers that speak its client API."""

from bridge.networks.mastodon.network import NETWORK

__all__ = ["NETWORK"]
