"""Whose edit a folder holds: git's word where there is one, else the system's."""

from __future__ import annotations

import getpass
import socket
import subprocess
from pathlib import Path

_PATIENCE_S = 3.0


def origin(folder: Path) -> str:
    """Who changed *folder* last, in a few words. Raises nothing: it is a courtesy."""
    here = f"{_user()} on {socket.gethostname()}"
    said = _git(folder, "log", "-1", "--format=%h%x09%an", "--", ".")
    if not said:
        return here
    commit, _, author = said.partition("\t")
    edited = _git(folder, "status", "--porcelain", "--", ".")
    return f"{author} in commit {commit}" + (f", with edits by {here}" if edited else "")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "an unnamed user"  # a container may run under a number that has no name


def _git(folder: Path, *words: str) -> str:
    """What git says, or nothing: there may be no git, no repository, or one that is somebody else's."""
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            ["git", "-C", str(folder), *words],  # noqa: S607 - wherever git is
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
