"""Forms that two people may have open at once: only what a person changed is written, and conflicts are shown."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _

from ...exceptions import Outdated


class EditForm(forms.Form):
    """A form whose page keeps the values that it was opened with.

    Without them, as for a new object and in requests of scripts, every field counts as changed and no conflict can be seen.
    """

    units: ClassVar[tuple[frozenset[str], ...]] = ()
    """Fields that have a meaning only together: a change of one is a change of all."""

    def __init__(self, *args: Any, is_new: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._original: dict[str, Any] | None = None
        if not is_new:
            self._original = self._read(self.data.get("original")) if self.is_bound else self._as_sent(self.initial)

    def continue_from(self, other: EditForm) -> None:
        """Keep the values that the other form was opened with: this one shows what the person has typed there."""
        self._original = other._original

    @property
    def original(self) -> str:
        """The value of the page's hidden field; empty if there is nothing to compare with."""
        return json.dumps(self._original) if self._original else ""

    def changed(self) -> set[str]:
        """Return the fields that the person changed."""
        if not self._original:
            return set(self.fields)
        changed = {name for name in self.fields if _as_sent(self[name].data) != self._original[name]}
        return changed.union(*(unit for unit in self.units if unit & changed))

    def check(self, current: Mapping[str, Any]) -> None:
        """Compare with the initial values of the object as it is now, which the caller has locked.

        Raises Outdated at each field that this person and somebody else have changed differently. If they save again,
        they replace the other's value, which they have seen by then.
        """
        if not self._original:
            return
        now = self._as_sent(current)
        mine = {name: _as_sent(self[name].data) for name in self.fields}
        conflicts = [
            name for name in self.fields if name in self.changed() and self._original[name] != now[name] != mine[name]
        ]
        self._original |= {name: now[name] for name in conflicts}
        if conflicts:
            message = _("Somebody else has changed this to “%(value)s” meanwhile. Save again to replace it.")
            raise Outdated([(name, message % {"value": self._shown(name, now[name])}) for name in conflicts])

    def _shown(self, name: str, value: Any) -> str:
        """Return how the form shows a value."""
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        labels = {str(key): str(label) for key, label in getattr(self.fields[name], "choices", ())}
        values: list[str] = value if isinstance(value, list) else [value]
        return ", ".join(labels.get(each, each) for each in values)[:200]

    def _as_sent(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _as_sent(values.get(name, field.initial), field) for name, field in self.fields.items()}

    def _read(self, text: str | None) -> dict[str, Any] | None:
        """Parse the hidden field; None if it is missing, or from a page that had other fields."""
        try:
            values = json.loads(text or "null")
        except (ValueError, RecursionError):
            return None
        return values if isinstance(values, dict) and values.keys() == self.fields.keys() else None


def _as_sent(value: Any, field: forms.Field | None = None) -> Any:
    """Return a value as a browser sends it back if nobody touches it."""
    if isinstance(value, bool):
        return value
    if isinstance(field, forms.BooleanField):
        return bool(value)
    if isinstance(value, dt.time):
        return f"{value:%H:%M}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return sorted(str(each) for each in value)
    return "" if value is None else str(value).replace("\r\n", "\n").strip()
