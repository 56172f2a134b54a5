-- Every statement that changes errors appends deltas of their groups; counters.fold() adds them to the counts.
-- Errors carry the time their job was created, so that an index finds the newest jobs of a group.

CREATE OR REPLACE FUNCTION syncjobs_date_error_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT created_at INTO NEW.job_created_at FROM syncjobs_syncjob WHERE id = NEW.job_id;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_redate_errors_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE syncjobs_joberror SET job_created_at = NEW.created_at WHERE job_id = NEW.id;
    RETURN NULL;
END $$;

-- A job is new to a group if this statement inserted all of its errors there.
CREATE OR REPLACE FUNCTION syncjobs_errors_inserted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, errors, jobs)
    SELECT group_id, band, sum(errors), sum(jobs)
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, 1 AS errors, 0 AS jobs FROM new_errors
            UNION ALL
            SELECT group_id, 0, 0, 1
              FROM (SELECT group_id, job_created_at, job_id, count(*) AS n FROM new_errors GROUP BY 1, 2, 3) AS pair
             WHERE n = (SELECT count(*) FROM syncjobs_joberror e WHERE e.group_id = pair.group_id
                           AND e.job_created_at = pair.job_created_at AND e.job_id = pair.job_id)) AS changed
     GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_errors_deleted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, errors, jobs)
    SELECT group_id, band, -sum(errors), -sum(jobs)
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, 1 AS errors, 0 AS jobs FROM old_errors
            UNION ALL
            SELECT group_id, 0, 0, 1
              FROM (SELECT DISTINCT group_id, job_created_at, job_id FROM old_errors) AS pair
             WHERE NOT EXISTS (SELECT FROM syncjobs_joberror e WHERE e.group_id = pair.group_id
                                  AND e.job_created_at = pair.job_created_at AND e.job_id = pair.job_id)) AS changed
     GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_errors_updated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, errors, jobs)
    SELECT group_id, band, sum(n), 0
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, -1 AS n FROM old_errors
            UNION ALL SELECT group_id, COALESCE(band_id, 0), 1 FROM new_errors) AS changed
     GROUP BY 1, 2 HAVING sum(n) <> 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_errors_truncated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta;
    DELETE FROM syncjobs_errorbandcount;
    UPDATE syncjobs_errorgroup SET count = 0, job_count = 0, band_count = 0 WHERE count > 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_group_deleted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta WHERE group_id = OLD.fingerprint;
    DELETE FROM syncjobs_errorbandcount WHERE group_id = OLD.fingerprint;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER forget_deleted AFTER DELETE ON syncjobs_errorgroup
    FOR EACH ROW EXECUTE FUNCTION syncjobs_group_deleted_v1();
CREATE OR REPLACE TRIGGER date_error BEFORE INSERT ON syncjobs_joberror
    FOR EACH ROW EXECUTE FUNCTION syncjobs_date_error_v1();
CREATE OR REPLACE TRIGGER redate_errors AFTER UPDATE OF created_at ON syncjobs_syncjob
    FOR EACH ROW WHEN (OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION syncjobs_redate_errors_v1();
CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON syncjobs_joberror
    REFERENCING NEW TABLE AS new_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_inserted_v1();
CREATE OR REPLACE TRIGGER count_updated AFTER UPDATE ON syncjobs_joberror
    REFERENCING OLD TABLE AS old_errors NEW TABLE AS new_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_updated_v1();
CREATE OR REPLACE TRIGGER count_deleted AFTER DELETE ON syncjobs_joberror
    REFERENCING OLD TABLE AS old_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_deleted_v1();
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON syncjobs_joberror
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_truncated_v1();
