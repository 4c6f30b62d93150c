"""What the door and a loop cost, beside the floor of the same run: ``python -m tests.benchmarks``."""
