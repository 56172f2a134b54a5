"""Importing bands: a preview shows what a file would change, then exactly that content is imported."""

from __future__ import annotations

import json
import secrets
import zlib
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from django.views.decorators.http import require_http_methods

from ..exceptions import InvalidInput
from ..operations import band_files, imports
from ..operations.imports import RowResult
from ..stats import queues
from ..templatetags.monitor import number
from .band_form import BandForm
from .core.job_filters import Chip
from .core.pages import actor_of, is_part, report, show, style
from .core.paging import paginate

_PREVIEW_SECONDS = 1800
_SHOWN = 200
_PER_PAGE = 50
_COLUMNS = tuple(each.name for each in fields(RowResult))
_OUTCOME = _COLUMNS.index("outcome")


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


def _results_key(request: HttpRequest) -> str:
    """Return the key of what would happen to each row, which pages read without the file."""
    return f"band-import-results:{request.user.pk}"


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("bands.add_band", raise_exception=True)
def upload(request: HttpRequest) -> HttpResponse:
    """Ask for a file, show its preview, then import it."""
    if request.method == "POST" and "token" in request.POST:
        return _import(request)
    if "token" in request.GET:
        return _show_preview(request, request.GET["token"])
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if form.is_bound and form.is_valid():
        try:
            return _keep_preview(request, form.cleaned_data["file"])
        except InvalidInput as error:
            form.add_error("file", error.message)
    return _show(request, {"form": style(form)}, _("Import bands"), status=422 if form.errors else 200)


def _keep_preview(request: HttpRequest, file: Any) -> HttpResponse:
    """Try the file out, keep it with what would happen to each row, and show the first page of the preview."""
    is_csv, raw = band_files.is_csv(file.name), file.read()
    file.close()  # It is a second copy in memory.
    rows = band_files.read_rows(raw, is_csv=is_csv)
    results = imports.import_bands(actor_of(request), rows, dry_run=True)
    preview = _Preview(secrets.token_urlsafe(16), zlib.compress(raw, 1), is_csv, file.name[:200])
    cache.set(_key(request), preview, _PREVIEW_SECONDS)
    shown = {
        "token": preview.token,
        "name": preview.name,
        "counts": imports.count_outcomes(results),
        "results": [[getattr(each, column) for column in _COLUMNS] for each in results],
    }
    cache.set(_results_key(request), zlib.compress(json.dumps(shown).encode(), 1), _PREVIEW_SECONDS)
    # The links to the other pages add to the address that this page would have.
    request.GET = QueryDict(urlencode({"token": preview.token}))
    return _show_preview(request, preview.token)


def _show_preview(request: HttpRequest, token: str) -> HttpResponse:
    """Show a page of the rows, by default those worth reading: refused ones first, unchanged ones not at all."""
    packed = cache.get(_results_key(request))
    kept: dict[str, Any] = json.loads(zlib.decompress(packed)) if isinstance(packed, bytes) else {"token": ""}
    if not token or not secrets.compare_digest(kept["token"].encode(), token.encode()):
        return report(request, _expired(), reverse("admin:import"), level="error", redirect=True)
    counts, wanted = kept["counts"], request.GET.get("outcome", "")
    if wanted in counts:
        listed = [values for values in kept["results"] if values[_OUTCOME] == wanted]
    else:
        listed = [values for values in kept["results"] if values[_OUTCOME] != "unchanged"]
        listed.sort(key=lambda values: values[_OUTCOME] != "refused")
    page = paginate(request, listed, per_page=_PER_PAGE)
    context = {
        "name": kept["name"],
        "token": token,
        "counts": counts,
        "changes": counts["created"] + counts["updated"],
        "chips": _chips(token, wanted if wanted in counts else "", counts),
        "page": page,
        "results": [_result_of(*values) for values in page.object_list],
        "labels": {name: field.label for name, field in BandForm.base_fields.items()},
    }
    return _show(request, context, _("Import %(file)s?") % {"file": kept["name"]})


def _result_of(row: int, slug: str, outcome: str, problems: list[str], name: str, changes: list[Any]) -> RowResult:
    return RowResult(row, slug, outcome, problems, name, [imports.Change(*change) for change in changes])


def _chips(token: str, selected: str, counts: dict[str, int]) -> list[Chip]:
    """Return a chip for the rows worth reading, and one for each outcome."""
    labels = {
        "refused": pgettext("rows", "Refused"),
        "created": pgettext("rows", "New"),
        "updated": pgettext("rows", "Changed"),
        "unchanged": _("Unchanged"),
    }
    choices = [("", _("Changes and refusals"), sum(counts.values()) - counts["unchanged"])]
    choices += [(outcome, label, counts[outcome]) for outcome, label in labels.items()]
    return [
        Chip(
            label,
            "?" + urlencode({"token": token} | ({"outcome": outcome} if outcome else {})),
            is_on=outcome == selected,
            name=f"outcome-{outcome or 'all'}",
            count=count,
        )
        for outcome, label, count in choices
    ]


def _expired() -> str:
    return _(
        "This preview has expired: it was imported, replaced by another upload, or is older than half an hour."
        " Upload the file again."
    )


def _import(request: HttpRequest) -> HttpResponse:
    preview = cache.get(_key(request))
    if (
        not isinstance(preview, _Preview)
        or not secrets.compare_digest(preview.token.encode(), request.POST["token"].encode())
        or not cache.delete(_key(request))
    ):
        return report(request, _expired(), reverse("admin:import"), level="error")
    cache.delete(_results_key(request))
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
