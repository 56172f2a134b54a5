"""Name the filters of presets in snake_case, as the list's query parameters are."""

from django.db import migrations

NAMES = {
    "jobType": "job_type",
    "bandId": "band_id",
    "startDate": "start_date",
    "endDate": "end_date",
    "requestedBy": "requested_by",
    "parentId": "parent_id",
    "delayReason": "delay_reason",
    "sortBy": "sort_by",
    "sortOrder": "sort_order",
}
SORTS = {"createdAt": "created_at", "startedAt": "started_at", "completedAt": "completed_at"}


def rename(apps, names, sorts):
    presets = apps.get_model("syncjobs", "FilterPreset").objects
    for preset in presets.only("filters").order_by("pk").select_for_update():
        filters = {
            names.get(name, name): sorts.get(value, value) if name in ("sortBy", "sort_by") else value
            for name, value in preset.filters.items()
        }
        if filters != preset.filters:
            preset.filters = filters
            preset.save(update_fields=["filters"])


def to_snake_case(apps, schema_editor):
    rename(apps, NAMES, SORTS)


def to_camel_case(apps, schema_editor):
    rename(apps, {new: old for old, new in NAMES.items()}, {new: old for old, new in SORTS.items()})


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0005_preset_names")]
    operations = [migrations.RunPython(to_snake_case, to_camel_case)]
