"""The README's tables say what the code says."""

from tests import tables


def test_the_generated_tables_are_current():
    """``python -m tests.tables`` mends this."""
    text = tables.README.read_text(encoding="utf-8")

    assert tables.written(text) == text
