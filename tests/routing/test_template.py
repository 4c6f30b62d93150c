"""What a reply may be made of, and that none takes long or grows without end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import nodes

from bridge.errors import MappingError
from bridge.routing.load import load_files
from bridge.routing.template import _ALLOWED, _FORBIDDEN, _WITHIN, MAX_SOURCE
from bridge.routing.wording import MAX_WORD, VOCABULARY, Words, render
from tests.routing.catalogue import NETWORKS
from tests.routing.test_faulty import base_files

CLOSING = "replies/kopi/closing.en.txt.j2"
PARTS = Path("replies/kopi/parts")


def said(files: dict[str, str], language: str = "en", words: Words | None = None) -> str:
    mapping = load_files({**base_files(), **files}, NETWORKS)
    rendered = render(mapping, "kopi", "closing", language, words or Words())
    assert rendered is not None
    return rendered.text


def rules(files: dict[str, str]) -> set[str]:
    with pytest.raises(MappingError) as raised:
        load_files({**base_files(), **files}, NETWORKS)
    return {fault.rule for fault in raised.value.faults}


def test_a_part_is_taken_in_in_the_replys_language():
    """Its own language, a wider one, or the part that is for all."""
    parts = {
        "replies/kopi/parts/hours.en.txt.j2": "Nine to five",
        "replies/kopi/parts/hours.id.txt.j2": "Jam sembilan",
        "replies/kopi/parts/link.txt.j2": "→ {{ brand }}",
    }
    source = 'Hi. {% include "hours" %} {% include "link" %}'

    assert said({CLOSING: source, **parts}) == "Hi. Nine to five → Kopi"
    indonesian = {"replies/kopi/closing.id.txt.j2": source}
    assert said({**indonesian, **parts}, "id-ID") == "Hi. Jam sembilan → Kopi"
    regional = {"replies/kopi/closing.en-gb.txt.j2": source}
    assert said({**regional, **parts}, "en-GB") == "Hi. Nine to five → Kopi"


def test_a_part_knows_the_words_of_its_reply_and_other_parts():
    """The customer's name in a greeting that all replies share."""
    parts = {
        "replies/kopi/parts/greeting.en.txt.j2": "Hi{% if customer %} {{ customer }}{% endif %},",
        "replies/kopi/parts/start.txt.j2": '{% include "greeting" %} good news:',
    }
    text = said({CLOSING: '{% include "start" %} sorted.', **parts}, words=Words("Anna"))

    assert text == "Hi Anna, good news: sorted."


def test_no_other_brands_part_is_taken_in():
    """Each brand speaks for itself."""
    brands = base_files()["brands.yaml"].replace(
        "tag_sources:",
        "  rower:\n    name: Rower\n    languages: [pl]\n    zone: UTC\n    accounts: {}\ntag_sources:",
    )
    files = {
        "brands.yaml": brands,
        "replies/rower/closing.pl.txt.j2": "Gotowe.",
        "replies/rower/parts/hours.en.txt.j2": "x",
        CLOSING: 'Hi. {% include "hours" %}',
    }
    assert rules(files) == {"unknown-part"}
    for elsewhere in ("../rower/parts/hours", "/etc/passwd", "closing", "hours.en.txt.j2"):
        assert rules({CLOSING: f'Hi. {{% include "{elsewhere}" %}}'}) == {"unknown-part"}


def test_a_reply_changes_its_version_with_its_parts():
    """What was said can be told by the version, whatever file was edited."""
    versions = {
        load_files(
            {**base_files(), CLOSING: 'Hi. {% include "h" %}', "replies/kopi/parts/h.txt.j2": part}, NETWORKS
        )
        .templates["kopi", "closing", "en"]
        .version
        for part in ("nine", "ten")
    }
    assert len(versions) == 2


def test_a_fault_in_a_part_is_told_once_and_where_it_is():
    """Not again for each reply that takes it in, nor as a reply that is not there."""
    files = {CLOSING: 'Hi. {% include "hours" %}', "replies/kopi/parts/hours.en.txt.j2": "{{ nobody }}"}

    assert rules(files) == {"template-name"}


FORBIDDEN = {
    "{% for n in handle %}{% endfor %}": "a loop ({% for … %})",
    "{% macro m() %}{% endmacro %}": "a macro ({% macro … %} or {% call … %})",
    "{% set x = handle %}": "a word of its own ({% set … %} or {% with … %})",
    "{% with %}{% endwith %}": "a word of its own ({% set … %} or {% with … %})",
    "{% import 'closing' as c %}": "an import ({% import … %} or {% from … %})",
    "{% from 'closing' import c %}": "an import ({% import … %} or {% from … %})",
    "{% extends 'closing' %}": "a layout ({% extends … %} or {% block … %})",
    "{% block b %}{% endblock %}": "a layout ({% extends … %} or {% block … %})",
    "{{ handle|upper }}": "a filter (|)",
    "{% filter upper %}{% endfilter %}": "a filter (|)",
    "{% if handle is defined %}{% endif %}": "a test (is …)",
    "{{ handle(promise, brand=network) }}": "a call: round brackets after a word",
    "{{ handle.x }}": "a dot or square brackets after a word",
    "{{ handle['x':] }}": "a dot or square brackets after a word",
    "{{ handle + brand }}": "arithmetic (+ - * / %)",
    "{{ -handle }}": "arithmetic (+ - * / %)",
    "{{ handle ~ brand }}": "words put together with ~: write one after the other",
    "{{ [handle] }}": "a list or a table",
    "{{ (handle, brand) }}": "a list or a table",
    "{{ {'a': handle} }}": "a list or a table",
    "{% autoescape true %}{% endautoescape %}": "another way of escaping ({% autoescape … %})",
}


@pytest.mark.parametrize(("source", "words"), FORBIDDEN.items())
def test_what_a_reply_may_not_have_is_said_in_words(source, words):
    """Once, for somebody who has never seen a program."""
    with pytest.raises(MappingError) as raised:
        load_files({**base_files(), CLOSING: f"Sorted. {source}"}, NETWORKS)

    assert [fault.message for fault in raised.value.faults] == [f"a reply may not have {words}"]


def test_there_are_words_for_whatever_a_reply_may_not_have():
    """None is called by the name that a program has for it, whatever the parser knows."""
    inner = {"EnvironmentAttribute", "ExtensionAttribute", "ImportedName", "InternalName", "MarkSafe"}
    inner |= {"MarkSafeIfAutoescape", "ContextReference", "DerivedContextReference"}  # no text makes them
    inner |= {"ExprStmt", "Continue", "Break", "OverlayScope"}
    named = tuple(kind for kinds, _ in _FORBIDDEN for kind in kinds)
    open_ = {
        kind.__name__
        for base in (nodes.Stmt, nodes.Expr)
        for kind in every(base)
        if not every(kind) and not issubclass(kind, (*named, *_ALLOWED, *_WITHIN))
    }
    assert open_ == inner


def every(kind: type) -> set[type]:
    return {one for below in kind.__subclasses__() for one in (below, *every(below))}


BRACKETS = {
    "{ signature }": '"{ signature }" would be posted as it is: write {{ signature }}',
    "{signatur}": '"{signatur}" would be posted as it is: write {{ signature }}',
    "[[ customer ]]": '"[[ customer ]]" would be posted as it is: write {{ customer }}',
    "{ %else %}": '"{ %else %}" would be posted as it is: write {% else %}, without a space between { and %',
    "{": '"{" would be posted as it is: write {{ signature }}',
    "}": '"}" would be posted as it is: write {{ signature }}',
    "]]": '"]]" would be posted as it is: write {{ signature }}',
}


@pytest.mark.parametrize(("slip", "message"), BRACKETS.items())
def test_markup_with_a_slip_is_a_fault_before_customers_read_it(slip, message):
    """At its own line, in a reply and in a part alike; what has served with it still loads."""
    before = "{% if customer %}Hi,{% endif %}\n\nall is\n"
    part = "replies/kopi/parts/hours.en.txt.j2"
    for files in (
        {CLOSING: f"{before}well. {slip}\n"},
        {CLOSING: 'Hi. {% include "hours" %}', part: f"{before}well. {slip}\n"},
    ):
        with pytest.raises(MappingError) as raised:
            load_files({**base_files(), **files}, NETWORKS)

        assert [(fault.line, fault.message, fault.rule) for fault in raised.value.faults] == [
            (4, message, "template-syntax")
        ]
        assert load_files({**base_files(), **files}, NETWORKS, try_out=False)


def test_one_square_bracket_and_comments_are_nobodys_slip():
    """And whoever wants a curly bracket can say so."""
    assert said({CLOSING: "See [1]. {# { not said } #}{{ '{' }}"}) == "See [1]. {"


SLIPS = {
    "well.\n{% if customer %}\nHi\n": (2, "{% if … %} is not closed: write {% endif %} where it should end"),
    "{% if customer %}\n{% if handle %}\n{# {% endif %} #}{% endif %}\n": (
        1,
        "{% if … %} is not closed: write {% endif %} where it should end",
    ),
    "{% for x in customer %}": (1, "{% for … %} is not closed: write {% endfor %} where it should end"),
    "Hi\n{% endif %}": (2, "{% endif %} closes nothing: there is no {% if … %} before it"),
    "{% else %}": (1, "{% else %} belongs between {% if … %} and {% endif %}"),
    "{% inclde 'hours' %}": (1, 'there is no {% inclde %}. Did you mean "include"?'),
    "{# never": (1, "what begins with {# ends with #}"),
    "Hi {{ customer": (1, "what begins with {{ ends with }}, and what begins with {% with %}"),
    "Hi {{ customer }": (1, "what begins with {{ ends with }}, and what begins with {% with %}"),
    "{% if customer = 'x' %}{% endif %}": (1, "to compare two words, write == between them"),
    "{% if customer %}{% else if handle %}{% endif %}": (1, "{% else if … %} is written {% elif … %}"),
    "{{ 'x }}": (1, "what begins with ' ends with '"),
    '{{ "x }}': (1, 'what begins with " ends with "'),
    "{{ “customer” }}": (1, "“ has no place in what stands in {{ }} or {% %}"),
    "{{ }}": (1, "{{ }} is empty: write what should stand there, as {{ signature }}"),
    "{% if %}{% endif %}": (1, "what stands in {% %} is not complete"),
    "{{ first name }}": (1, '{{ }} holds one name: "name" is too much'),
    "{% if a b %}{% endif %}": (1, '"b" does not belong into this {% %}'),
    "{{ customer) }}": (1, "this markup cannot be read: unexpected ')'"),
}


@pytest.mark.parametrize("source", SLIPS)
def test_markup_that_cannot_be_read_is_told_with_what_to_write(source):
    """At the line where the slip is, in words of who writes replies and not of a programmer."""
    with pytest.raises(MappingError) as raised:
        load_files({**base_files(), CLOSING: source}, NETWORKS)

    line, message = SLIPS[source]
    assert [(fault.line, fault.message, fault.rule) for fault in raised.value.faults] == [
        (line, message, "template-syntax")
    ]


HOSTILE = {
    "parentheses": "x {{ " + "(" * 1_900 + "customer" + ")" * 1_900 + " }}",
    "not": "x {{ " + "not " * 900 + "customer }}",
    "or": "x {{ customer" + " or handle" * 380 + " }}",
    "if": "x" + "{% if handle %}" * 130 + "{% endif %}" * 130,
    "hex": "x {{ 0x" + "f" * 3_900 + " }}",
    "power": "x {{ 9**9**9**9 }}",
    "product": "x {{ 'x' * 999999999 }}",
    "range": "x {% for n in range(10**9) %}x{% endfor %}",
    "call": "x {{ customer.__class__.__mro__ }}",
    "filter": "x {{ customer|center(999999999) }}",
    "macro": "x {% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "set": "x {% set customer = 'x' %}{{ customer }}",
    "import": "x {% import 'closing' as c %}",
    "extends": "x {% extends 'closing' %}",
    "braces": "x" + "{{" * 1_900,
    "comments": "x" + "{#" * 1_900,
    "quotes": "x {{ '" + "\\" * 3_900,
    "half": 'x {{ "\\ud83d" }}',
    "nul": "x \0",
    "long": "x" * (MAX_SOURCE + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_reply_is_a_fault_in_no_time(name):
    """It is judged by its tree, and nothing of it is ever run."""
    start = time.process_time()

    assert rules({CLOSING: HOSTILE[name]}) <= {
        "too-deep",
        "template-forbidden",
        "template-syntax",
        "template-too-long",
        "template-name",
    }
    assert time.process_time() - start < 2


def test_parts_that_multiply_are_a_fault_in_no_time():
    """Ten inclusions in each of five parts would be a hundred thousand."""
    files = {f"replies/kopi/parts/p{n}.txt.j2": f'{{% include "p{n + 1}" %}}' * 150 for n in range(5)}
    files["replies/kopi/parts/p5.txt.j2"] = "x"
    start = time.process_time()

    assert rules({CLOSING: '{% include "p0" %}', **files}) <= {"template-too-long", "too-deep"}
    assert time.process_time() - start < 2


def test_the_longest_reply_of_the_longest_words_is_rendered_at_once():
    """The bound: as many words as 4,000 characters hold, each of 2,000 characters at the most."""
    long = "x" * 100_000
    files = {
        "brands.yaml": base_files()["brands.yaml"].replace("name: Kopi", f"name: Kopi\n    signature: {long}")
    }
    # One that has served: a network takes less than that, and a new one is told so.
    given = {**base_files(), **files, CLOSING: "Hi." + "{{handle}}" * 399}
    mapping = load_files(given, NETWORKS, try_out=False)
    start = time.process_time()
    text = render(mapping, "kopi", "closing", "en", Words(handle=long, network=long)).text

    assert len(text) <= 400 * MAX_WORD
    assert time.process_time() - start < 1


_SNIPPETS = st.sampled_from(
    [
        *(f"{{{{ {word} }}}}" for word in VOCABULARY),
        "{% if customer %}",
        "{% else %}",
        "{% elif handle == 'x' %}",
        "{% endif %}",
        '{% include "a" %}',
        '{% include "b" %}',
        "{{ customer or 'you' }}",
        "{{ 'a' if network else brand }}",
        "{{",
        "%}",
        "{#",
        "\n\n",
        "Hi ",
    ]
)
_SOURCES = st.lists(_SNIPPETS | st.text(max_size=5), max_size=60).map("".join)


@settings(deadline=2_000, max_examples=150)
@given(closing=_SOURCES, a=_SOURCES, b=_SOURCES)
def test_any_reply_is_refused_or_can_be_said(closing, a, b):
    """What passes the check never fails when it is sent, and is never too long for its letters."""
    files = {CLOSING: closing, "replies/kopi/parts/a.txt.j2": a, "replies/kopi/parts/b.txt.j2": b}
    try:
        text = said(files, words=Words("Ann", "@ann", "Net"))
    except MappingError:
        return
    assert text
    text.encode()
