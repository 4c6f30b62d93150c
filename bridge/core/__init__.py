"""What the service believes. Pure Python: no I/O, no clock, nothing of a vendor."""
