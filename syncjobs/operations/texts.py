"""Check text that people send."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from bands.text import LINES, ONE_LINE

from ..exceptions import InvalidInput
from ..youtube.references import MalformedReference


def check_text(text: str, field: str, *, is_one_line: bool = True) -> None:
    """Refuse text that would damage a terminal or the line it is shown on. Raises InvalidInput."""
    if is_one_line and not re.fullmatch(ONE_LINE, text):
        raise InvalidInput(_("Must not contain line breaks, control characters or direction marks."), field=field)
    if not re.fullmatch(LINES, text):
        raise InvalidInput(_("Must not contain control characters or direction marks."), field=field)


def translated(error: MalformedReference) -> str:
    """Return the error's sentence in the language of the request."""
    return _(error.pattern) % {"text": error.text}
