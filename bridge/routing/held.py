"""Replies that would never leave by themselves: told of when the files are checked.

Each would wait for a person, every time, for what it says or for its length.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import product

from bridge.core.account import FieldKind
from bridge.core.message import Author, SocialMessage
from bridge.core.ports import Network
from bridge.core.reply import Composed
from bridge.routing import airlock, model
from bridge.routing.account import network_label, public_account
from bridge.routing.folder import shown
from bridge.routing.model import AccountEntry, Brand, Template, Voice
from bridge.routing.nodes import Report, Spot
from bridge.routing.reply import HANDLE, MAX_TEXT, SOME_MOMENT, Replies, part_paths, parts_of
from bridge.routing.sight import says
from bridge.routing.voice import banned_in
from bridge.routing.wording import Words, render_template

_CUSTOMERS = ("Anna", "", "สมชาย", "محمد", "O'Neil-Łukasiewicz")
_TAGS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# They have rules of their own. In a file, the name is not there yet, and not all its words are ever said.
_OTHERWISE_TOLD = frozenset({"empty-name", "too-long"})


def require_free_to_leave(
    brands: Mapping[str, Brand],
    voices: Mapping[str, Voice],
    replies: Replies,
    files: Iterable[str],
    report: Report,
) -> None:
    """Report what a reply says that its brand's voice or the airlock holds, or that makes it too long."""
    there = part_paths(files)
    for template in (*replies.templates.values(), *replies.wrongly_said):
        brand, voice = brands.get(template.brand), voices.get(template.brand)
        if brand is None:
            continue
        said = [
            render_template(template, brand, Words(name, HANDLE, "Mastodon", SOME_MOMENT), voice)
            for name in _CUSTOMERS
        ]
        if max(map(len, said)) > MAX_TEXT and template not in replies.wrongly_said:
            message = f"more than {MAX_TEXT:,} characters, with the words of {brand.key}"
            report.add(Spot(template.file), "template-too-long", message)
        parts = ((shown(path), source) for path, source in parts_of(template, there))
        written = [(file, _own_words(source)) for file, source in ((template.file, template.source), *parts)]
        _hold_banned(template, voice, said, written, report)
        # Of what is wrongly said, its brackets are told of already.
        known = {"template-markup"} if template in replies.wrongly_said else set()
        own = known | _hold_own_words(written, report)
        _hold_filled_in(template, brand, said, own, report)


_Written = list[tuple[str, list[str]]]
"""(file, its lines) of a reply and of the parts that it takes in."""


def _own_words(source: str) -> list[str]:
    """The lines of *source* with a dot for each word that is filled in and each condition."""
    return _TAGS.sub(lambda tag: " · " + "\n" * tag[0].count("\n"), source).split("\n")


def _hold_banned(
    template: Template, voice: Voice | None, said: list[str], written: _Written, report: Report
) -> None:
    # Its own words besides: what stands behind a condition is not said each time.
    whole = "\n\n".join((*said, *("\n".join(lines) for _, lines in written)))
    for word in banned_in(whole, voice, [template.language]):
        banned_by = voice.place.file.removeprefix(shown("")) if voice else ""
        spots = (
            Spot(file, line) for file, lines in written if (line := _begins(lines, partial(_says, word)))
        )
        spot = next(spots, None)
        filled_in = "" if spot else " in what is filled in"
        message = f'says "{word}"{filled_in}, which {banned_by} bans'
        report.add_newer(spot or Spot(template.file), "banned-word", message)


def _hold_own_words(written: _Written, report: Report) -> set[str]:
    """Report what the airlock finds in them; the rules by which it does."""
    found: set[str] = set()
    for file, lines in written:
        for line, finding in _held_in(lines):
            found.add(finding.rule)
            report.add_newer(Spot(file, line), "reply-held", f"the airlock would hold this: {_told(finding)}")
    return found


def _hold_filled_in(template: Template, brand: Brand, said: list[str], own: set[str], report: Report) -> None:
    words = {"signature": brand.signature, "help_link": brand.help_link or ""}
    found = {finding.rule: finding for text in dict.fromkeys(said) for finding in _inspected(text)}
    for rule, finding in found.items():
        # A brand is called what it is called: nobody could mend that in a file.
        if rule not in own and not _holds(rule, brand.name):
            of = next((f" for {word}" for word, value in words.items() if _holds(rule, value)), "")
            message = f"the airlock would hold what is filled in{of}: {_told(finding)}"
            report.add_newer(Spot(template.file), "reply-held", message)


def _held_in(lines: list[str]) -> Iterator[tuple[int, airlock.Finding]]:
    """What the airlock finds on each line, and what goes on from one line to the next."""
    found: set[str] = set()
    for number, line in enumerate(lines, 1):
        for finding in _inspected(line):
            found.add(finding.rule)
            yield number, finding
    for finding in _inspected(" ".join(lines)):
        if finding.rule not in found:
            yield _begins(lines, partial(_holds, finding.rule), between=" ") or 1, finding


def _says(word: str, text: str) -> bool:
    return bool(says(text, [word]))


def _holds(rule: str, text: str) -> bool:
    return any(finding.rule == rule for finding in _inspected(text))


def _inspected(text: str) -> list[airlock.Finding]:
    return [finding for finding in airlock.inspect(text) if finding.rule not in _OTHERWISE_TOLD]


def _told(finding: airlock.Finding) -> str:
    """The reason, as the end of a sentence."""
    return finding.reason[0].lower() + finding.reason[1:].removesuffix(".")


def _begins(lines: list[str], finds: Callable[[str], bool], between: str = "\n") -> int | None:
    """The line on which what *finds* finds begins; None: it is not there."""

    def lacks(number: int) -> bool:
        return not finds(between.join(lines[number:]))  # it may go on in the next line

    return bisect.bisect_left(range(len(lines)), True, key=lacks) or None


def require_fitting(
    mapping: model.Mapping, replies: Replies, networks: Mapping[str, Network], report: Report
) -> None:
    """Report replies that do not fit where they are posted, whatever is filled in.

    *mapping* may have faults: what cannot be told of it is not asked.
    """
    for template in (*replies.templates.values(), *replies.wrongly_said):
        brand = mapping.brands.get(template.brand)
        if brand is None:
            continue
        for entry in _answering(template, brand, mapping):
            network = networks.get(entry.network)
            if network is None:
                continue
            shortest = _shortest(template, brand, mapping.voices.get(brand.key), entry, network)
            # Beyond that bound it is told that no network takes it.
            if shortest is not None and not shortest.fits and len(shortest.text) <= MAX_TEXT:
                label, unit = network_label(entry, network), shortest.unit
                message = f"{shortest.used} {unit} at the least, and {label} takes {shortest.limit}"
                report.add_newer(Spot(template.file), "reply-beyond-limit", message)


def _answering(template: Template, brand: Brand, mapping: model.Mapping) -> list[AccountEntry]:
    """The accounts that may post *template*; those of the whole brand where nothing leads to it."""
    fallback = mapping.queues.get(mapping.fallback)
    if fallback is not None and fallback.ticket and fallback.closing_template == template.name:
        return list(brand.accounts)
    leading = []
    for route in mapping.routes:
        queue = mapping.queues.get(route.queue)
        if queue is not None and queue.ticket:
            leading += [route.when] * ((route.closing_template or queue.closing_template) == template.name)
    may = [
        entry
        for entry in brand.accounts
        if any(
            (not when.accounts or entry.key in when.accounts)
            and (not when.brands or brand.key in when.brands)
            and (not when.networks or entry.network in when.networks)
            for when in leading
        )
    ]
    return may or list(brand.accounts)


def _shortest(
    template: Template, brand: Brand, voice: Voice | None, entry: AccountEntry, network: Network
) -> Composed | None:
    """The least that *template* comes to on the account; None where nobody can tell, or nothing is posted."""
    numbers = {field.name for field in network.account_fields if field.kind is FieldKind.NUMBER}
    if numbers & entry.env_fields.keys():
        return None  # its limit may be among them
    account = public_account(entry, brand.key)
    target = SocialMessage(
        network=entry.network,
        id="checked",
        account=entry.key,
        author=Author("customer", "@a", ""),
        text="",
        posted_at=SOME_MOMENT,
        language=template.language,
    )
    if not network.light(account, target).possible:
        return None
    least: Composed | None = None
    for customer, promise_at, resolution in product(("", "Li"), (None, SOME_MOMENT), ("", "x")):
        words = Words(customer, "@a", network_label(entry, network), promise_at, resolution)
        composed = network.compose(account, render_template(template, brand, words, voice), target)
        if least is None or composed.used < least.used:
            least = composed
        if least.fits:
            break
    return least
