"""Importing bands: a preview shows what a file would change, then exactly that content is imported."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from ..exceptions import InvalidInput
from ..operations import band_files, imports
from ..stats import queues
from ..templatetags.monitor import number
from .core.pages import actor_of, is_part, report, show, style

_PREVIEW_SECONDS = 1800
_SHOWN = 200


class ImportForm(forms.Form):
    """The file to import."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=format_lazy(
            gettext_lazy(
                "JSON or CSV in UTF-8, {megabytes} MB and {rows} rows at most. You see a preview before anything changes."
            ),
            megabytes=band_files.MAX_MEGABYTES,
            rows=lazy(number, str)(band_files.MAX_ROWS),
        ),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
    )


@dataclass(frozen=True, slots=True)
class _Preview:
    """An uploaded file whose preview is shown. Each user has one; the next upload replaces it."""

    token: str
    packed: bytes
    is_csv: bool
    name: str

    def rows(self) -> list[Any]:
        return band_files.read_rows(zlib.decompress(self.packed), is_csv=self.is_csv)


def _key(request: HttpRequest) -> str:
    return f"band-import:{request.user.pk}"


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("bands.add_band", raise_exception=True)
def upload(request: HttpRequest) -> HttpResponse:
    """Ask for a file, show its preview, then import it."""
    if request.method == "POST" and "token" in request.POST:
        return _import(request)
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if form.is_bound and form.is_valid():
        try:
            return _show_preview(request, form.cleaned_data["file"])
        except InvalidInput as error:
            form.add_error("file", error.message)
    return _show(request, {"form": style(form)}, _("Import bands"), status=422 if form.errors else 200)


def _show_preview(request: HttpRequest, file: Any) -> HttpResponse:
    is_csv, raw = band_files.is_csv(file.name), file.read()
    file.close()  # It is a second copy in memory.
    rows = band_files.read_rows(raw, is_csv=is_csv)
    results = imports.import_bands(actor_of(request), rows, dry_run=True)
    preview = _Preview(secrets.token_urlsafe(16), zlib.compress(raw, 1), is_csv, file.name[:200])
    cache.set(_key(request), preview, _PREVIEW_SECONDS)
    context = {"name": preview.name, "token": preview.token, **_summary(results)}
    return _show(request, context, _("Import %(file)s?") % {"file": preview.name})


def _summary(results: list[imports.RowResult]) -> dict[str, Any]:
    """Count the rows by outcome and list those worth reading: refused ones first, unchanged ones not at all."""
    counts = imports.count_outcomes(results)
    listed = [result for result in results if result.outcome != "unchanged"]
    listed.sort(key=lambda result: result.outcome != "refused")
    return {
        "counts": counts,
        "changes": counts["created"] + counts["updated"],
        "results": listed[:_SHOWN],
        "left_out": max(0, len(listed) - _SHOWN),
    }


def _import(request: HttpRequest) -> HttpResponse:
    preview = cache.get(_key(request))
    if (
        not isinstance(preview, _Preview)
        or not secrets.compare_digest(preview.token.encode(), request.POST["token"].encode())
        or not cache.delete(_key(request))
    ):
        message = _(
            "This preview has expired: it was imported, replaced by another upload, or is older than half an hour."
            " Upload the file again."
        )
        return report(request, message, reverse("admin:import"), level="error")
    rows = preview.rows()
    if len(rows) > imports.MAX_FOREGROUND:
        started = imports.enqueue(actor_of(request), preview.name, preview.packed, rows, is_csv=preview.is_csv)
        message = _("%(file)s is being imported.") % {"file": preview.name}
        return report(request, message, reverse("admin:import_progress", args=[started.pk]), redirect=True)
    counts = imports.count_outcomes(imports.import_bands(actor_of(request), rows))
    message = _("Imported %(file)s: %(created)s created, %(updated)s updated, %(unchanged)s unchanged.") % {
        "file": preview.name,
        **counts,
    }
    if counts["refused"]:
        refused = ngettext("%(n)s row was refused.", "%(n)s rows were refused.", counts["refused"])
        message = f"{message} {refused % {'n': counts['refused']}}"
    return report(request, message, reverse("admin:bands_band_changelist"), redirect=True)


@require_http_methods(["GET", "HEAD"])
@permission_required("bands.add_band", raise_exception=True)
def progress(request: HttpRequest, import_id: int) -> HttpResponse:
    """Show the progress of an import in the background."""
    band_import = imports.get_import(import_id)
    blank = band_import.done - sum(getattr(band_import, outcome) for outcome in imports.OUTCOMES)
    context = {
        "import": band_import,
        "problems": band_import.problems[:_SHOWN],
        "blank": blank,
        "lacks_worker": not band_import.ended_at and queues.lacks_bulk_worker(),
    }
    if is_part(request):
        return render(request, "syncjobs/imports/state.html", context)
    crumbs = ((reverse("admin:bands_band_changelist"), _("Bands")), (reverse("admin:import"), _("Import bands")))
    title = _("Importing %(file)s") % {"file": band_import.name}
    return show(request, "syncjobs/imports/progress.html", context, title=title, crumbs=crumbs, is_live=True)


def _show(request: HttpRequest, context: dict[str, Any], title: str, status: int = 200) -> HttpResponse:
    crumbs = ((reverse("admin:bands_band_changelist"), _("Bands")),)
    return show(request, "syncjobs/imports/import.html", context, title=title, crumbs=crumbs, status=status)
