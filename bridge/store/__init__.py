"""The tables, which are the truth, and who may work on what."""
