-- One statement has one snapshot: it counts the jobs and drops the deltas that this snapshot has already. Jobs may change
-- meanwhile; their deltas are not in the snapshot and stay.
WITH counted AS (
    DELETE FROM syncjobs_jobmarkdelta
), labels AS (
    INSERT INTO syncjobs_joblabelcount (kind, label, with_errors, job_type, status, n)
    SELECT kind, label, with_errors, job_type, status, n FROM syncjobs_true_label_counts_v1()
)
INSERT INTO syncjobs_jobcount (grain, band_id, since, across, job_type, status, n)
SELECT grain, band_id, since, across, job_type, status, n FROM syncjobs_true_error_counts_v1();
