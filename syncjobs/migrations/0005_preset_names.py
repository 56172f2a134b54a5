"""Replace a constraint that PostgreSQL 14 does not have. There, Django has left it out, so names may occur twice."""

from django.db import migrations, models

# The oldest preset keeps its name.
MAKE_NAMES_UNIQUE = """
    UPDATE syncjobs_filterpreset AS preset
       SET name = left(name, 80 - length(suffix)) || suffix
      FROM (SELECT id, ' (' || id || ')' AS suffix FROM syncjobs_filterpreset) AS own
     WHERE own.id = preset.id
       AND EXISTS (
               SELECT FROM syncjobs_filterpreset AS older
                WHERE older.id < preset.id AND older.name = preset.name
                  AND older.owner_id IS NOT DISTINCT FROM preset.owner_id)"""


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0004_upgrade")]
    operations = [
        migrations.RunSQL(MAKE_NAMES_UNIQUE, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="filterpreset", name="preset_name_once"),
        migrations.AddConstraint(
            model_name="filterpreset",
            constraint=models.UniqueConstraint(fields=["owner", "name"], name="own_preset_name_once"),
        ),
        migrations.AddConstraint(
            model_name="filterpreset",
            constraint=models.UniqueConstraint(
                fields=["name"], condition=models.Q(owner=None), name="shared_preset_name_once"
            ),
        ),
    ]
