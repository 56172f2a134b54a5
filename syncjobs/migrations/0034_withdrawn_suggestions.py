"""Let authors withdraw suggestions, and let the database delete them with their band."""

from django.db import migrations, models

BAND_KEY = "syncjobs_channelsuggestion_band_id_0034c204_fk_bands_band_id"
# A web server of the release before, which doesn't know the table, would else fail to delete a band that has a suggestion.
REPLACE_KEY = f"""
    ALTER TABLE syncjobs_channelsuggestion
          DROP CONSTRAINT {BAND_KEY},
          ADD CONSTRAINT {BAND_KEY} FOREIGN KEY (band_id) REFERENCES bands_band (id) %s DEFERRABLE INITIALLY DEFERRED"""


class Migration(migrations.Migration):

    dependencies = [
        ('syncjobs', '0033_final_errors'),
    ]

    operations = [
        migrations.AlterField(
            model_name='channelsuggestion',
            name='state',
            field=models.CharField(choices=[('open', 'Open'), ('accepted', 'Accepted'), ('declined', 'Declined'), ('withdrawn', 'Withdrawn by its author')], default='open', max_length=10),
        ),
        migrations.RunSQL(REPLACE_KEY % "ON DELETE CASCADE", REPLACE_KEY % ""),
    ]
