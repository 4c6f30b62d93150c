"""Any sender of signed webhooks, by the Standard Webhooks specification 1.0.0."""

from bridge.networks.standard.network import NETWORK

__all__ = ["NETWORK"]
