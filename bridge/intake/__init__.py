"""The door: verify, record, answer, wake. Nothing is understood here that need not be."""
