"""Pages of a list whose filters, order and page stand in its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django_stubs_ext import StrPromise

PER_PAGE = (20, 50, 100)


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page, and which of how many they are."""

    rows: Sequence[Any]
    number: int
    per_page: int
    total: int
    first: int
    last: int
    numbers: Sequence[int | str]
    """Of the pages to link to; “…” where some are left out."""
    has_previous: bool
    has_next: bool
    sizes: Sequence[int] = PER_PAGE


def paginate(request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], per_page: int = PER_PAGE[0]) -> Page:
    """The page that `page` and `per` ask for; the nearest there is when they ask for what there isn't."""
    asked = request.GET.get("per", "")
    size = int(asked) if asked in map(str, PER_PAGE) else per_page
    paginator = Paginator(rows, size)
    page = paginator.get_page(request.GET.get("page", "1"))
    return Page(
        rows=list(page.object_list),
        number=page.number,
        per_page=size,
        total=paginator.count,
        first=page.start_index(),
        last=page.end_index(),
        numbers=list(paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)),
        has_previous=page.has_previous(),
        has_next=page.has_next(),
    )


def order(rows: QuerySet[Any], sort: str, columns: dict[str, str]) -> QuerySet[Any]:
    """Sorted by what `sort` names, "-" for downwards; what has no value comes last either way, ties by id."""
    column = F(columns[sort.removeprefix("-")])
    if sort.startswith("-"):
        return rows.order_by(column.desc(nulls_last=True), "-pk")
    return rows.order_by(column.asc(nulls_last=True), "pk")


def sort_field(columns: dict[str, str], default: str) -> forms.ChoiceField:
    """The hidden field of a list's filters that says what it is sorted by."""
    names = [name for column in columns for name in (column, f"-{column}")]
    return forms.ChoiceField(
        required=False, choices=[(name, name) for name in names], widget=forms.HiddenInput, initial=default
    )


def search_box(label: StrPromise, placeholder: StrPromise) -> forms.CharField:
    """A field to search by, which the key “/” goes to."""
    attributes = {"type": "search", "data-search": "", "placeholder": placeholder, "autocomplete": "off"}
    return forms.CharField(required=False, max_length=200, label=label, widget=forms.TextInput(attributes))


def values_of(form: forms.Form) -> dict[str, Any]:
    """What the filters ask for; a filter that makes no sense says so at its field, and doesn't narrow."""
    form.is_valid()
    return {name: form.cleaned_data.get(name) or field.initial or "" for name, field in form.fields.items()}
