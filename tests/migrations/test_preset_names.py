"""A database on PostgreSQL 14 had no constraint on the names of filter presets: the migration renames duplicates."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from syncjobs.models import FilterPreset

pytestmark = pytest.mark.django_db


def test_only_the_oldest_of_equal_names_is_kept() -> None:
    pat, sam = (get_user_model().objects.create_user(name) for name in ("pat", "sam"))
    with connection.schema_editor() as editor:
        for constraint in FilterPreset._meta.constraints:
            editor.remove_constraint(FilterPreset, constraint)
    long = "x" * 80
    rows = [(pat, "A"), (pat, "A"), (sam, "A"), (None, "A"), (None, "A"), (None, "B"), (pat, long), (pat, long)]
    presets = [FilterPreset.objects.create(owner=owner, name=name) for owner, name in rows]
    ids = [preset.pk for preset in presets]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # As if the rows had been committed.
        cursor.execute(import_module("syncjobs.migrations.0005_preset_names").MAKE_NAMES_UNIQUE)
    renamed_long = f"{long} ({ids[7]})"
    assert list(FilterPreset.objects.order_by("pk").values_list("name", flat=True)) == [
        "A", f"A ({ids[1]})", "A", "A", f"A ({ids[4]})", "B", long, renamed_long[len(renamed_long) - 80 :],
    ]  # fmt: skip
    with connection.schema_editor() as editor:
        for constraint in FilterPreset._meta.constraints:
            editor.add_constraint(FilterPreset, constraint)
