-- How many counts, with what is not folded yet, differ from counting jobs and errors. Reads all of them.
WITH count_now AS (
    SELECT grain, band_id, since, across, job_type, status, sum(n) AS n
      FROM (SELECT grain, band_id, since, across, job_type, status, n FROM syncjobs_jobcount
            UNION ALL
            SELECT g.grain, g.band_id, g.since, g.across, job_type, status, n
              FROM syncjobs_jobdelta AS d, syncjobs_grains_v1(d.band_id, hour, started, ended) AS g
            UNION ALL
            SELECT g.grain + 100, g.band_id, g.since, g.across, job_type, status, n
              FROM syncjobs_jobmarkdelta AS d, syncjobs_grains_v1(d.band_id, hour, started, ended) AS g
             WHERE with_errors) AS folded_and_not
     GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0
), count_truth AS (
    SELECT grain, band_id, since, across, job_type, status, n FROM syncjobs_true_counts_v1()
    UNION ALL
    SELECT grain, band_id, since, across, job_type, status, n FROM syncjobs_true_error_counts_v1()
), label_now AS (
    SELECT kind, label, with_errors, job_type, status, sum(n) AS n
      FROM (SELECT kind, label, with_errors, job_type, status, n FROM syncjobs_joblabelcount
            UNION ALL
            SELECT l.kind, l.label, with_errors, job_type, status, n
              FROM syncjobs_jobmarkdelta, LATERAL (VALUES ('name', band_name), ('by', requester)) AS l (kind, label)
             WHERE l.label <> '') AS folded_and_not
     GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0
), name_now AS (
    SELECT band_name, sum(n) AS n
      FROM (SELECT band_name, n FROM syncjobs_bandnamecount
            UNION ALL
            SELECT band_name, n FROM syncjobs_jobdelta WHERE band_name <> '') AS folded_and_not
     GROUP BY 1 HAVING sum(n) <> 0
), name_truth AS (
    SELECT band_name, count(*) AS n FROM syncjobs_syncjob WHERE band_name <> '' GROUP BY 1
), group_now AS (
    SELECT fingerprint, count + COALESCE(sum(d.errors), 0) AS errors, job_count + COALESCE(sum(d.jobs), 0) AS jobs
      FROM syncjobs_errorgroup LEFT JOIN syncjobs_errordelta AS d ON d.group_id = fingerprint GROUP BY fingerprint
), group_truth AS (
    SELECT fingerprint, count(e.id) AS errors, count(DISTINCT e.job_id) AS jobs
      FROM syncjobs_errorgroup LEFT JOIN syncjobs_joberror AS e ON e.group_id = fingerprint GROUP BY fingerprint
), band_now AS (
    SELECT group_id, band_id, sum(n) AS n
      FROM (SELECT group_id, band_id, n FROM syncjobs_errorbandcount
            UNION ALL
            SELECT group_id, band_id, errors FROM syncjobs_errordelta WHERE band_id <> 0) AS folded_and_not
     GROUP BY 1, 2 HAVING sum(n) <> 0
), band_truth AS (
    SELECT group_id, band_id, count(*) AS n FROM syncjobs_joberror WHERE band_id IS NOT NULL GROUP BY 1, 2
)
SELECT (SELECT count(*) FROM count_truth AS truth
          FULL JOIN count_now AS now USING (grain, band_id, since, across, job_type, status)
         WHERE truth.n IS DISTINCT FROM now.n)
     + (SELECT count(*) FROM syncjobs_true_label_counts_v1() AS truth
          FULL JOIN label_now AS now USING (kind, label, with_errors, job_type, status)
         WHERE truth.n IS DISTINCT FROM now.n)
     + (SELECT count(*) FROM name_truth AS truth FULL JOIN name_now AS now USING (band_name)
         WHERE truth.n IS DISTINCT FROM now.n)
     + (SELECT count(*) FROM group_truth AS truth JOIN group_now AS now USING (fingerprint)
         WHERE (truth.errors, truth.jobs) <> (now.errors, now.jobs))
     + (SELECT count(*) FROM band_truth AS truth FULL JOIN band_now AS now USING (group_id, band_id)
         WHERE truth.n IS DISTINCT FROM now.n)
     + (SELECT count(*) FROM syncjobs_errorgroup
         WHERE band_count <> (SELECT count(*) FROM syncjobs_errorbandcount AS c WHERE c.group_id = fingerprint AND c.n > 0))
