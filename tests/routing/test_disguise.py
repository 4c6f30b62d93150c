"""A customer's words, so that they may stand in a file that everybody reads."""

from __future__ import annotations

import time

import pytest

from bridge.routing.disguise import disguise

KEEP = ("@kopi@social.example", "kopi", "Kopi")


@pytest.mark.parametrize(
    ("said", "written", "kinds"),
    [
        ("the app logs me out every hour", "the app logs me out every hour", ()),
        (
            "write to dewi.l@post.example, please",
            "write to somebody@mail.example, please",
            ("e-mail address",),
        ),
        ("see https://photos.example/dewi/1?x=2).", "see https://link.example).", ("link",)),
        ("it is on photos.example/dewi too", "it is on https://link.example too", ("link",)),
        (
            "@dewi and @budi@old.example said so",
            "@somebody and @somebody@social.example said so",
            ("handle",),
        ),
        ("Hey @kopi, hello @kopi@social.example!", "Hey @kopi, hello @kopi@social.example!", ()),
        ("call 0812-3456-7890 now", "call 0000-0000-0000 now", ("telephone number",)),
        ("my order 20481937 is lost", "my order 00000000 is lost", ("number",)),
        ("order #412", "order #000", ("number",)),
        ("card 4111 1111 1111 1111 was charged", "card 0000 0000 0000 0000 was charged", ("number",)),
        ("booking XK7F9Q is gone", "booking XX0X0X is gone", ("code",)),
        ("invoice inv-20481", "invoice inv-00000", ("number",)),
        ("I paid 40 times in 2026", "I paid 40 times in 0000", ("code",)),
        ("This is Dewi Lestari. DEWI!", "This is Anna. Anna!", ("name",)),
        ("สวัสดีค่ะ สมชายเองค่ะ", "สวัสดีค่ะ Annaเองค่ะ", ("name",)),
        ("Kopi, where is my coffee?", "Kopi, where is my coffee?", ()),
        ("dewilicious", "dewilicious", ()),
    ],
)
def test_what_tells_who_somebody_is_is_replaced(said, written, kinds):
    """In its own shape, and the brand's own names stay."""
    found = disguise(said, names=("Dewi Lestari", "@dewi", "สมชาย", "Kopi"), keep=KEEP)

    assert (found.text, found.replaced) == (written, kinds)


@pytest.mark.parametrize("part", ["a.", "1 ", "@", "x@", "A-", "9a", "www.", "+62 "])
def test_no_text_takes_long(part):
    """Ten thousand of anything: under a second of the processor's time."""
    disguise("0812-3456-7890")  # what is loaded once
    before = time.process_time()
    disguise(part * 10_000, names=("Dewi Lestari",), keep=KEEP)

    assert time.process_time() - before < 1.0
