"""What a YAML parser complains of, in the words of somebody who edits the file."""

from __future__ import annotations

import re

import yaml

_INDENT = "this line is indented differently from its neighbours"
_MIXED = f"list items (-) and keys are mixed here, or {_INDENT}"
_LIST = "a list starts on a line of its own, below its key"
_COLON = "a text with a colon and a space in it must be in quotes"
_NO_COLON = "a key must be followed by a colon and a space"
OPEN_QUOTE = "the quote that is opened here is never closed"
_AFTER_QUOTE = "the text goes on after its closing quote: put all of it between other quotes"
_ESCAPE = "a backslash in double quotes: use single quotes"
_COMMA = "there is nothing before this comma: take it out, or put the text that it belongs to in quotes"
_LOST = "cannot be read from here on: look for a missing quote, colon, space or bracket"

# Both take linear time: a file may be one line of a million characters.
_KEY = re.compile(r"\s*[^\s:#\"'].*?:(?:\s|$)")
_KEY_INSIDE = re.compile(r"[\r\n][ \t]*(?:- +)*[\w-]+:\s")
_CLOSING = {"[": "]", "{": "}"}


def explain(text: str, error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    """Where *text* is wrong, and what to look for there."""
    mark, since = error.problem_mark, error.context_mark
    if mark is None:
        return since, _LOST
    begun = _begun(text, mark, since, error) if since is not None else None
    return begun or _here(text, mark, str(error.problem), str(error.context))


def _begun(
    text: str, mark: yaml.Mark, since: yaml.Mark, error: yaml.MarkedYAMLError
) -> tuple[yaml.Mark, str] | None:
    """The complaint about something that was begun at *since*, if it is one."""
    doing = str(error.context)
    if "flow" in doing:
        return _brackets(text, mark, since)
    if "quoted scalar" in doing:
        return (mark, _ESCAPE) if "escape" in str(error.problem) else (since, OPEN_QUOTE)
    if doing.endswith("a simple key"):
        return since, _NO_COLON
    if doing.endswith(("an alias", "an anchor", "a block scalar")):
        return since, _to_be_quoted(text, since)
    return None


def _here(text: str, mark: yaml.Mark, problem: str, doing: str) -> tuple[yaml.Mark, str]:
    """The complaint about what stands at *mark*."""
    if problem.startswith("mapping values"):
        return _colon(text, mark)
    if problem.startswith("sequence entries"):
        return mark, _LIST
    if "start>" in problem:
        return mark, _INDENT
    if problem.startswith("expected <block end>"):
        return _block(text, mark, problem)
    if "cannot start any token" in problem or doing.endswith("a block node"):
        return mark, _to_be_quoted(text, mark)
    return mark, _LOST


def swallows_lines(source: str) -> bool:
    """Whether a quoted text (*source*, as it stands in the file) goes on over the keys of later lines."""
    return _KEY_INSIDE.search(source) is not None


def _to_be_quoted(text: str, mark: yaml.Mark) -> str:
    return f"a text that starts with {_letter(text, mark)} must be in quotes"


def _letter(text: str, mark: yaml.Mark) -> str:
    return text[mark.index : mark.index + 1]


def _line(text: str, mark: yaml.Mark) -> str:
    """The line that *mark* is on."""
    return text[mark.index - mark.column :].partition("\n")[0]


def _brackets(text: str, mark: yaml.Mark, opened: yaml.Mark) -> tuple[yaml.Mark, str]:
    if _letter(text, opened) not in _CLOSING:
        # Where a value should be and none is, the parser tells that place and not the bracket's.
        opened = _open_before(text, mark) or opened
    bracket = _letter(text, opened)
    if mark.line == opened.line and _CLOSING.get(bracket, "") in _line(text, mark)[mark.column :]:
        if _letter(text, mark) == ",":
            return mark, _COMMA
        return mark, f"a comma is missing before this, or the {bracket} is not closed where it should be"
    return opened, f"the bracket {bracket} that is opened here is never closed, or a comma is missing in it"


def _open_before(text: str, mark: yaml.Mark) -> yaml.Mark | None:
    """The bracket that is open at *mark*, the innermost one."""
    still_open: list[yaml.Mark] = []
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if token.start_mark.index >= mark.index:
                break
            if isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken):
                still_open.append(token.start_mark)
            elif isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken) and still_open:
                still_open.pop()
    except yaml.YAMLError:
        # The scanner looks ahead; what it had found before it stopped is enough.
        pass
    return still_open[-1] if still_open else None


def _colon(text: str, mark: yaml.Mark) -> tuple[yaml.Mark, str]:
    """A colon that makes a key where none can be: in a value, or on a line that continues one."""
    line = _line(text, mark)
    if _KEY.match(line[: mark.column]):
        return mark, _COLON
    before = text[: mark.index - mark.column].rstrip()
    last = before[before.rfind("\n") + 1 :]
    if _KEY.match(last):
        indent = len(line) - len(line.lstrip())
        return _moved(mark, 0, indent), _INDENT
    skipped = text.count("\n", len(before), mark.index)
    return _moved(mark, -skipped, len(last) - len(last.lstrip())), _NO_COLON


def _moved(mark: yaml.Mark, lines: int, column: int) -> yaml.Mark:
    return yaml.Mark(mark.name, mark.index, mark.line + lines, column, None, 0)


def _block(text: str, mark: yaml.Mark, problem: str) -> tuple[yaml.Mark, str]:
    if "'<scalar>'" in problem:
        quoted = _quoted_before(text, mark)
        if quoted is None:
            return mark, _INDENT
        return (mark, _AFTER_QUOTE) if quoted.line == mark.line else (quoted, OPEN_QUOTE)
    if "'-'" in problem or "'?'" in problem:
        return mark, _MIXED
    return mark, "a bracket or comma that belongs to nothing: put the text that it stands in in quotes"


def _quoted_before(text: str, mark: yaml.Mark) -> yaml.Mark | None:
    """Where the quoted text starts that ends just before *mark*, if one does."""
    found = None
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if token.start_mark.index >= mark.index:
                break
            if isinstance(token, yaml.ScalarToken):
                found = token.start_mark if token.style in ("'", '"') else None
    except yaml.YAMLError:
        # The scanner looks ahead; what it had found before it stopped is enough.
        return found
    return found
