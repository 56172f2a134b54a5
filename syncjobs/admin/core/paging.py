"""Lists whose filters, order and page number are in the query string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_stubs_ext import StrPromise

from ...templatetags.lists import PER_PAGE
from .pages import is_part, show


def paginate(request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], per_page: int = PER_PAGE[0]) -> Page[Any]:
    """Return the page that `page` and `per` ask for, or the nearest one."""
    size = request.GET.get("per", "")
    paginator = Paginator(rows, int(size) if size in map(str, PER_PAGE) else per_page)
    return paginator.get_page(request.GET.get("page", "1"))


def order(rows: QuerySet[Any], sort: str, columns: dict[str, str]) -> QuerySet[Any]:
    """Sort by the column that `sort` names ("-" for descending), then id; NULLs last."""
    column = F(columns[sort.removeprefix("-")])
    if sort.startswith("-"):
        return rows.order_by(column.desc(nulls_last=True), "-pk")
    return rows.order_by(column.asc(nulls_last=True), "pk")


def sort_field(columns: dict[str, str], default: str) -> forms.ChoiceField:
    """Return the hidden field of a list's filters that holds its order."""
    names = [name for column in columns for name in (column, f"-{column}")]
    return forms.ChoiceField(
        required=False, choices=[(name, name) for name in names], widget=forms.HiddenInput, initial=default
    )


def search_box(label: StrPromise, placeholder: StrPromise) -> forms.CharField:
    """Return a search field, which the key "/" focuses."""
    attributes = {"type": "search", "data-search": "", "placeholder": placeholder, "autocomplete": "off"}
    return forms.CharField(required=False, max_length=200, label=label, widget=forms.TextInput(attributes))


class FilterForm(forms.Form):
    """The filters of a list, read from the query string. Selecting an option applies it at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", "input")
            if isinstance(field.widget, forms.Select):
                field.widget.attrs["data-submits"] = ""

    @property
    def problems(self) -> list[str]:
        """What is wrong with the filters. An unknown order is not: the list has its first one then."""
        wrong = {name: texts for name, texts in self.errors.items() if name != "sort"}
        return [f"{self.fields[name].label or name}: {' '.join(map(str, texts))}" for name, texts in wrong.items()]

    def values(self) -> dict[str, Any]:
        """Return the filters' values. An invalid filter has no effect, and the form shows its error."""
        self.is_valid()
        return {name: self.cleaned_data.get(name) or field.initial or "" for name, field in self.fields.items()}


def show_list(
    request: HttpRequest, folder: str, filters: FilterForm, context: dict[str, Any], *, title: str
) -> HttpResponse:
    """Show a list with its filters, or only its rows if htmx requests them. The templates are in `syncjobs/<folder>/`."""
    values = filters.values()
    sort = values.pop("sort", "")
    context |= {"sort": sort, "is_filtered": any(values.values())}
    if is_part(request):
        return render(request, f"syncjobs/{folder}/rows.html", context)
    return show(request, f"syncjobs/{folder}/list.html", context | {"filters": filters}, title=title, is_live=True)
