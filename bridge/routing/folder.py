"""The admins' folder as texts: path → text. What cannot be read is a fault, never empty."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from bridge.errors import MappingError
from bridge.routing.nodes import MAX_FILE_BYTES, Report, Spot, nearest

ROOT = "mappings"
"""How faults and places name the folder, wherever it lies and even when it lies in the database."""

REQUIRED = ("brands.yaml", "queues.yaml", "hours.yaml", "tags.yaml")
PLAYBOOK = "playbook.md"
"""What teams should know besides: text for people, shown on the playbook and read by nothing else."""

OPTIONAL = ("vips.yaml", "canary.yaml", PLAYBOOK)
QUEUES = re.compile(r"queues/[^/]+\.yaml")
ROUTES = re.compile(r"routes/[^/]+\.yaml")
REPLY = re.compile(r"replies/(?P<brand>[^/]+)/(?P<name>[^/.]+)\.(?P<language>[^/.]+)\.txt\.j2")
PART = re.compile(r"replies/(?P<brand>[^/]+)/parts/(?P<name>[^/.]+)(?:\.(?P<language>[^/.]+))?\.txt\.j2")
VOICE = re.compile(r"replies/(?P<brand>[^/]+)/voice\.yaml")
TESTS = re.compile(r"tests/[^/]+\.yaml")
_PATTERNS = (QUEUES, ROUTES, REPLY, PART, VOICE, TESTS)
_MEANT = (
    *REQUIRED,
    *OPTIONAL,
    "queues/NAME.yaml",
    "routes/NAME.yaml",
    "replies/BRAND/NAME.LANGUAGE.txt.j2",
    "replies/BRAND/parts/NAME.LANGUAGE.txt.j2",
    "replies/BRAND/voice.yaml",
    "tests/NAME.yaml",
)
MAX_FILES = 5_000
MAX_BYTES = 4_000_000
"""Of all files together: ten thousand routes with their examples, and half a minute to read."""


def shown(path: str) -> str:
    """*path* as faults name it."""
    return f"{ROOT}/{path}"


def located(file: str, folder: Path) -> str:
    """The path that an admin edits, for a *file* as faults name it, of a mapping read from *folder*."""
    return (folder / Path(file).relative_to(ROOT)).as_posix()


def read_folder(folder: Path, report: Report) -> dict[str, str]:
    """Every mapping file under *folder*, by its path within it."""
    files: dict[str, str] = {}
    total = 0
    for count, path in enumerate(sorted(_paths(folder, report))):
        name = path.relative_to(folder).as_posix()
        if count >= MAX_FILES:
            report.add(Spot(ROOT), "file-too-large", f"more than {MAX_FILES:,} files")
            break
        if not _is_unicode(name):
            # Its letters can be neither shown nor stored.
            readable = os.fsencode(name).decode(errors="replace")
            report.add(Spot(shown(readable)), "unknown-file", "the file's name is not UTF-8: rename it")
        elif _is_meant(name, report):
            text = _read(path, name, report)
            if text is not None:
                files[name] = text
                total += len(text.encode())
                _bound(total, report)
    return files


def text_of(path: Path) -> str | None:
    """The text of one mapping file; None where `read_folder` reports that it cannot be read."""
    return _read(path, path.name, Report())


def _bound(total: int, report: Report) -> None:
    """Give up on so many bytes at once: reading them on, or parsing them, would only take time."""
    if total > MAX_BYTES:
        report.add(Spot(ROOT), "file-too-large", f"more than {MAX_BYTES:,} bytes in all files together")
        raise MappingError(report.faults)


def check_files(files: Mapping[str, str], report: Report) -> None:
    """Report files that must be there and are not, that mean nothing, or are no text.

    Raises MappingError when they are too large to go on with.
    """
    _bound(sum(len(text.encode("utf-8", "surrogatepass")) for text in files.values()), report)
    reported = {fault.file for fault in report.faults}
    for name, text in files.items():
        _is_meant(name, report)
        if not _is_unicode(text):
            report.add(Spot(shown(name)), "not-utf8", "not UTF-8: save the file with that encoding")
    for name in REQUIRED:
        if name not in files and shown(name) not in reported and ROOT not in reported:
            report.add(Spot(shown(name)), "missing-file", "this file must be there")
    has_routes = any(ROUTES.fullmatch(name) for name in files)
    if not has_routes and not any(file.startswith(shown("routes")) or file == ROOT for file in reported):
        report.add(
            Spot(shown("routes")), "missing-file", "there must be a file with routes, such as 10-social.yaml"
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _paths(folder: Path, report: Report) -> list[Path]:
    try:
        if not folder.is_dir():
            report.add(Spot(ROOT), "missing-file", f"there is no folder {folder}")
            return []
    except OSError as error:
        report.add(Spot(ROOT), "unreadable-file", f"cannot be opened: {error.strerror}")
        return []
    found: list[Path] = []
    folders_left = MAX_FILES

    def failed(error: OSError) -> None:
        name = Path(error.filename).relative_to(folder).as_posix()
        report.add(
            Spot(ROOT if name == "." else shown(name)),
            "unreadable-file",
            f"cannot be opened: {error.strerror}",
        )

    for at, folders, names in os.walk(folder, onerror=failed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (Path(at) / name).is_symlink():
                link = (Path(at) / name).relative_to(folder).as_posix()
                report.add(Spot(shown(link)), "unreadable-file", "a link to a folder is not followed")
        # What starts with a dot or ends with ~ was put there by an editor or a version control.
        found += [Path(at) / name for name in names if not name.startswith(".") and not name.endswith("~")]
        folders_left -= 1
        if len(found) > MAX_FILES or folders_left == 0:
            break  # somebody named the whole disk
    if folders_left == 0:
        report.add(Spot(ROOT), "file-too-large", f"more than {MAX_FILES:,} folders")
    return found


def _is_meant(name: str, report: Report) -> bool:
    if name in (*REQUIRED, *OPTIONAL) or any(pattern.fullmatch(name) for pattern in _PATTERNS):
        return True
    if Path(name).name != "README.md":
        meant = [f"{name.removesuffix('.yml')}.yaml"] if name.endswith(".yml") else _MEANT
        hint = nearest(name, meant) or ": a mapping has " + ", ".join(_MEANT)
        report.add(Spot(shown(name)), "unknown-file", f"the bridge does not read a file of this name{hint}")
    return False


def _read(path: Path, name: str, report: Report) -> str | None:
    spot = Spot(shown(name))
    content = _content(path, spot, report)
    if content is None:
        return None
    if len(content) > MAX_FILE_BYTES:
        report.add(spot, "file-too-large", f"larger than {MAX_FILE_BYTES:,} bytes")
        return None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:2]:
        report.add(spot, "not-utf8", "not UTF-8 but UTF-16: save the file with the encoding UTF-8")
        return None
    try:
        # Some editors put a byte order mark first.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        report.add(Spot(shown(name), line), "not-utf8", "not UTF-8: save the file with that encoding")
        return None


def _content(path: Path, spot: Spot, report: Report) -> bytes | None:
    """The bytes of a file, and one more than it may have at the most; None, and reported, if it is none."""
    try:
        # What opens may be something else than what was there a moment ago, so it is looked at open;
        # and a pipe must not keep us waiting for somebody at its other end.
        with open(path, "rb", opener=_at_once) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                report.add(spot, "unreadable-file", "this is not a file")
                return None
            content = file.read(MAX_FILE_BYTES + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        report.add(spot, "unreadable-file", f"cannot be read: {error.strerror}")
        return None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        report.add(spot, "unreadable-file", "somebody wrote to it while it was read: try again")
        return None
    return content


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
