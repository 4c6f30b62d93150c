"""How long a vendor asks us to wait: the one header that all of them send."""

from datetime import UTC, datetime

import pytest

from bridge.core.retry_after import retry_after_s

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
LONGEST_S = 600.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("86400", LONGEST_S),
        ("9" * 5000, LONGEST_S),
        ("Fri, 20 Nov 2026 10:01:30 GMT", 90.0),
        ("Fri, 20 Nov 2026 10:01:30 -0000", 90.0),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2099 11:00:00 GMT", LONGEST_S),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)
def test_a_retry_after_is_read_as_seconds_or_as_a_date(value, seconds):
    """Both forms are legal HTTP, some vendors send fractions, and none may park a case for a day."""
    assert retry_after_s(value, NOW, LONGEST_S) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "-3",
        "1.5.2",
        ".",
        "1e400",
        "inf",
        "nan",
        "٣",
        "²",
        "Mon, 99 Jan 2026 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +9999999999",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan " + "9" * 5000 + " 00:00:00 GMT",
    ],
)
def test_nonsense_is_no_wait_and_no_crash(value):
    """A vendor in disorder is waited for as long as we think right."""
    assert retry_after_s(value, NOW, LONGEST_S) is None
