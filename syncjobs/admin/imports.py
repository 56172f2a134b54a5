"""Importing bands: what a file would do is shown first, and then the very same content is imported."""

from __future__ import annotations

import secrets
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..exceptions import InvalidInput
from ..operations.imports import MAX_BYTES, RowResult, import_bands, read_rows
from .core.pages import actor_of, page, show, style, told

_KEPT_SECONDS = 1800
_SHOWN = 200
_OUTCOMES = ("created", "updated", "unchanged", "refused")


class ImportForm(forms.Form):
    """The file."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "JSON or CSV in UTF-8, 20 MB at most. Nothing is changed yet: you see first what it would do."
        ),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
    )

    def clean_file(self) -> Any:
        """Its name says what it is."""
        file = self.cleaned_data["file"]
        if PurePath(file.name).suffix.lower() not in {".json", ".csv"}:
            raise forms.ValidationError(_("Its name must end with .json or .csv."))
        return file


@dataclass(frozen=True, slots=True)
class _Kept:
    """An upload that waits for its import. A person has one at a time: the next takes its place."""

    token: str
    packed: bytes
    is_csv: bool
    name: str

    def rows(self) -> list[Any]:
        return read_rows(zlib.decompress(self.packed), is_csv=self.is_csv)


def _key(request: HttpRequest) -> str:
    return f"band-import:{request.user.pk}"


@page("bands.add_band", posts=True)
def upload(request: HttpRequest) -> HttpResponse:
    """Ask for a file; show what it would do."""
    if request.method == "POST" and "token" in request.POST:
        return _import(request)
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if form.is_bound and not request.FILES and int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
        form.add_error("file", _("The file is larger than 20 MB. Split it, and import the parts one by one."))
        # Instead of that there is none.
        form.errors["file"] = form.error_class(form.errors["file"][-1:])
    if form.is_bound and form.is_valid():
        try:
            return _preview(request, form.cleaned_data["file"])
        except InvalidInput as error:
            form.add_error("file", error.message)
    return _show(request, {"form": style(form)}, _("Import bands"), status=422 if form.errors else 200)


def _preview(request: HttpRequest, file: Any) -> HttpResponse:
    raw = file.read()
    is_csv = PurePath(file.name).suffix.lower() == ".csv"
    rows = read_rows(raw, is_csv=is_csv)
    results = import_bands(actor_of(request), rows, dry_run=True)
    kept = _Kept(secrets.token_urlsafe(16), zlib.compress(raw, 1), is_csv, file.name[:200])
    cache.set(_key(request), kept, _KEPT_SECONDS)
    context = {"name": kept.name, "token": kept.token, **_summary(results)}
    return _show(request, context, _("Import %(file)s?") % {"file": kept.name})


def _summary(results: list[RowResult]) -> dict[str, Any]:
    """How many rows came to what, and those to look at: refused ones first, unchanged ones not at all."""
    counts = Counter(result.outcome for result in results)
    telling = [result for result in results if result.outcome != "unchanged"]
    telling.sort(key=lambda result: result.outcome != "refused")
    return {
        "counts": {outcome: counts[outcome] for outcome in _OUTCOMES},
        "changes": counts["created"] + counts["updated"],
        "results": telling[:_SHOWN],
        "left_out": max(0, len(telling) - _SHOWN),
    }


def _import(request: HttpRequest) -> HttpResponse:
    kept = cache.get(_key(request))
    if (
        not isinstance(kept, _Kept)
        or not secrets.compare_digest(kept.token.encode(), request.POST["token"].encode())
        or not cache.delete(_key(request))
    ):
        message = _(
            "This preview is no longer held: it was imported, replaced by another one, or is older than half an hour. Upload the file again."
        )
        return told(request, message, reverse("admin:import"), level="error")
    counts = _summary(import_bands(actor_of(request), kept.rows()))["counts"]
    message = _("%(file)s is imported: %(created)s created, %(updated)s updated, %(unchanged)s unchanged.") % {
        "file": kept.name,
        **counts,
    }
    if counts["refused"]:
        refused = ngettext("%(n)s row was refused.", "%(n)s rows were refused.", counts["refused"])
        message = f"{message} {refused % {'n': counts['refused']}}"
    return told(request, message, reverse("admin:bands_band_changelist"), goes=True)


def _show(request: HttpRequest, context: dict[str, Any], title: str, status: int = 200) -> HttpResponse:
    crumbs = ((reverse("admin:bands_band_changelist"), _("Bands")),)
    return show(request, "syncjobs/imports/import.html", context, title=title, crumbs=crumbs, status=status)


PAGES = (("bands/import/", upload, "import"),)
