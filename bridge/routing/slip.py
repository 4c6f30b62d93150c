"""What is wrong with markup that Jinja cannot read, for whoever writes replies and knows no Jinja."""

from __future__ import annotations

import re

import jinja2

from bridge.routing.nodes import nearest
from bridge.routing.wording import environment

_TAGS = ("if", "elif", "else", "endif", "include")
# What Jinja says → what to do about it. The first that fits is taken.
_SAID = tuple(
    (re.compile(said), words)
    for said, words in (
        (
            r"needs to be closed is '(\w+)'",
            r"{% \1 … %} is not closed: write {% end\1 %} where it should end",
        ),
        (r"unknown tag 'endif'", "{% endif %} closes nothing: there is no {% if … %} before it"),
        (r"unknown tag '(elif|else)'", r"{% \1 %} belongs between {% if … %} and {% endif %}"),
        (r"end of comment", "what begins with {# ends with #}"),
        (
            r"end of template|unexpected '}'",
            "what begins with {{ ends with }}, and what begins with {% with %}",
        ),
        (r"end of statement block', got '='", "to compare two words, write == between them"),
        (r"end of statement block', got 'if'", "{% else if … %} is written {% elif … %}"),
        (r"unexpected char (?:'(\")'|\"(')\")", r"what begins with \1\2 ends with \1\2"),
        (r"unexpected char '(.)'", r"\1 has no place in what stands in {{ }} or {% %}"),
        (
            r"an expression, got 'end of print",
            "{{ }} is empty: write what should stand there, as {{ signature }}",
        ),
        (r"got 'end of statement|unexpected 'end of statement", "what stands in {% %} is not complete"),
        (r"'end of print statement', got '(.+)'", r'{{ }} holds one name: "\1" is too much'),
        (r"'end of statement block', got '(.+)'", r'"\1" does not belong into this {% %}'),
    )
)


def slip(source: str, error: jinja2.TemplateSyntaxError) -> tuple[int, str]:
    """The line of *source* to look at, and what to write there, for what *error* says of it."""
    said = error.message or ""
    line = error.lineno
    if said.startswith("Unexpected end of template") and said.endswith("closed is 'if'."):
        line = _unclosed(source)
    unknown = re.search(r"unknown tag '(\w+)'", said)
    if unknown and unknown[1] not in _TAGS:
        return line, f"there is no {{% {unknown[1]} %}}{nearest(unknown[1], _TAGS)}"
    for pattern, words in _SAID:
        found = pattern.search(said)
        if found:
            return line, found.expand(words)
    return line, f"this markup cannot be read: {said}"


def _unclosed(source: str) -> int:
    """The line of the innermost {% if %} that no {% endif %} closes."""
    open_at: list[int] = []
    tokens = list(environment().lex(source))
    for number, (line, kind, _text) in enumerate(tokens):
        if kind != "block_begin":
            continue
        name = next((text for _line, what, text in tokens[number + 1 :] if what == "name"), "")
        if name == "if":
            open_at.append(line)
        elif name == "endif" and open_at:
            open_at.pop()
    return open_at[-1]
