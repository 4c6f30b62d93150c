"""A fake Zendesk, Slack and two social networks on loopback: demo, test bench, training room.

Imports nothing of the bridge: it speaks the vendors' own HTTP, signatures, status
codes and limits, so that the bridge talks to it as in production.
"""

from bridge.sandbox.world import Sandbox

__all__ = ["Sandbox"]
