"""Environment variables before the settings read them: old names, and secrets in files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path


def rename(new_names: Mapping[str, str]) -> None:
    """Give the variables that are set under their old name the new one, with a warning."""
    for old_name, new_name in new_names.items():
        if old_name in os.environ and new_name not in os.environ:
            warnings.warn(f"{old_name} was renamed {new_name}. Use the new name.", FutureWarning, stacklevel=2)
            os.environ[new_name] = os.environ[old_name]


def read_files(names: Iterable[str]) -> list[str]:
    """Set each variable to the content of the file that NAME_FILE names. Return a sentence for each that can't be read.

    NAME_FILE is removed, because processes that this one starts inherit the variable itself.
    """
    problems: list[str] = []
    for name in names:
        path = os.environ.pop(f"{name}_FILE", "")
        if not path:
            continue
        if os.environ.get(name):
            problems.append(f"{name}_FILE: {name} is set too. Set only one of them.")
            continue
        try:
            value = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text in UTF-8"
            problems.append(f"{name}_FILE: {path} can't be read ({reason}).")
            continue
        if not value or "\0" in value:
            problems.append(f"{name}_FILE: {path} is empty." if not value else f"{name}_FILE: {path} is not a text.")
            continue
        os.environ[name] = value
    return problems
