-- Count all jobs and errors. The caller has locked their tables.
DELETE FROM syncjobs_jobdelta;
DELETE FROM syncjobs_jobcount;
INSERT INTO syncjobs_jobcount (grain, band_id, since, across, job_type, status, n)
SELECT grain, band_id, since, across, job_type, status, n FROM syncjobs_true_counts_v1();

DELETE FROM syncjobs_jobmarkdelta;
DELETE FROM syncjobs_joblabelcount;
INSERT INTO syncjobs_joblabelcount (kind, label, with_errors, job_type, status, n)
SELECT kind, label, with_errors, job_type, status, n FROM syncjobs_true_label_counts_v1();
INSERT INTO syncjobs_jobcount (grain, band_id, since, across, job_type, status, n)
SELECT grain, band_id, since, across, job_type, status, n FROM syncjobs_true_error_counts_v1();

DELETE FROM syncjobs_bandnamecount;
INSERT INTO syncjobs_bandnamecount (band_name, n)
SELECT band_name, count(*) FROM syncjobs_syncjob WHERE band_name <> '' GROUP BY band_name;

DELETE FROM syncjobs_errordelta;
DELETE FROM syncjobs_errorbandcount;
INSERT INTO syncjobs_errorbandcount (group_id, band_id, n)
SELECT group_id, band_id, count(*) FROM syncjobs_joberror WHERE band_id IS NOT NULL GROUP BY 1, 2;

UPDATE syncjobs_errorgroup AS g
   SET count = truth.errors, job_count = truth.jobs, band_count = truth.bands
  FROM (SELECT fingerprint, count(e.id) AS errors, count(DISTINCT e.job_id) AS jobs, count(DISTINCT e.band_id) AS bands
          FROM syncjobs_errorgroup LEFT JOIN syncjobs_joberror AS e ON e.group_id = fingerprint GROUP BY 1) AS truth
 WHERE truth.fingerprint = g.fingerprint
   AND (g.count, g.job_count, g.band_count) <> (truth.errors, truth.jobs, truth.bands);
