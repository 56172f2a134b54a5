"""Counts of the errors of the last day, kept by `counters.fold()`: see counters/recent.py.

The deltas tell now when their errors were, so that the fold knows which of them are of the last day.
"""

import importlib
import re

from django.db import migrations

from syncjobs.counters import errors as groups

before = importlib.import_module("syncjobs.migrations.0006_error_group_bands")

CREATE = """
-- In the order in which errors are recorded.
LOCK TABLE syncjobs_errorgroup, syncjobs_joberror IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM syncjobs_errordelta;
ALTER TABLE syncjobs_errordelta ADD COLUMN at timestamptz NOT NULL;

CREATE TABLE syncjobs_errorwindow (since timestamptz NOT NULL);
INSERT INTO syncjobs_errorwindow VALUES (now());
CREATE TABLE syncjobs_recentgroup (
    group_id varchar(16) PRIMARY KEY,
    errors bigint NOT NULL,
    bands bigint NOT NULL,
    hours bigint[] NOT NULL  -- pairs of an hour since 1970 and the errors in it
);
CREATE TABLE syncjobs_recenthour (
    group_id varchar(16) NOT NULL,
    hour integer NOT NULL,  -- since 1970
    n bigint NOT NULL,
    PRIMARY KEY (group_id, hour) INCLUDE (n)
);
CREATE TABLE syncjobs_recentband (
    group_id varchar(16) NOT NULL,
    band_id bigint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (group_id, band_id) INCLUDE (n)
);

CREATE OR REPLACE FUNCTION syncjobs_errors_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, at, errors, jobs)
    SELECT group_id, band, at, sum(errors), sum(jobs)
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, created_at AS at, 1 AS errors, 0 AS jobs FROM new_errors
            UNION ALL
            SELECT group_id, 0, '-infinity', 0, 1
              FROM (SELECT group_id, job_created_at, job_id, count(*) AS n FROM new_errors GROUP BY 1, 2, 3) AS pair
             WHERE n = (SELECT count(*) FROM syncjobs_joberror e WHERE e.group_id = pair.group_id
                           AND e.job_created_at = pair.job_created_at AND e.job_id = pair.job_id)) AS changed
     GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_errors_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, at, errors, jobs)
    SELECT group_id, band, at, -sum(errors), -sum(jobs)
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, created_at AS at, 1 AS errors, 0 AS jobs FROM old_errors
            UNION ALL
            SELECT group_id, 0, '-infinity', 0, 1
              FROM (SELECT DISTINCT group_id, job_created_at, job_id FROM old_errors) AS pair
             WHERE NOT EXISTS (SELECT FROM syncjobs_joberror e WHERE e.group_id = pair.group_id
                                  AND e.job_created_at = pair.job_created_at AND e.job_id = pair.job_id)) AS changed
     GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_errors_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, at, errors, jobs)
    SELECT group_id, band, at, sum(n), 0
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, created_at AS at, -1 AS n FROM old_errors
            UNION ALL SELECT group_id, COALESCE(band_id, 0), created_at, 1 FROM new_errors) AS changed
     GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_errors_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta;
    DELETE FROM syncjobs_errorbandcount;
    DELETE FROM syncjobs_recentband;
    DELETE FROM syncjobs_recenthour;
    DELETE FROM syncjobs_recentgroup;
    UPDATE syncjobs_errorgroup SET count = 0, job_count = 0, band_count = 0 WHERE count > 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_group_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta WHERE group_id = OLD.fingerprint;
    DELETE FROM syncjobs_errorbandcount WHERE group_id = OLD.fingerprint;
    DELETE FROM syncjobs_recentband WHERE group_id = OLD.fingerprint;
    DELETE FROM syncjobs_recenthour WHERE group_id = OLD.fingerprint;
    DELETE FROM syncjobs_recentgroup WHERE group_id = OLD.fingerprint;
    RETURN NULL;
END $$;
"""
# The functions of migration 0006 take the place of these again.
DROP = (
    "\n".join(
        text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
        for text in re.findall(r"CREATE FUNCTION syncjobs_(?:errors_|group_).*?END \$\$;", before.CREATE, re.DOTALL)
    )
    + """
DROP TABLE syncjobs_errorwindow, syncjobs_recentgroup, syncjobs_recenthour, syncjobs_recentband;
ALTER TABLE syncjobs_errordelta DROP COLUMN at;
"""
)


def count_what_there_is(apps, schema_editor):
    for statement in groups.ANEW:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0009_job_changes")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(count_what_there_is, migrations.RunPython.noop),
    ]
