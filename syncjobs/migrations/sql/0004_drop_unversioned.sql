-- The functions that had no version in their names. The triggers call the versioned ones now.
DROP FUNCTION IF EXISTS syncjobs_audit_is_append_only, syncjobs_count_inserted, syncjobs_count_deleted,
    syncjobs_count_updated, syncjobs_count_truncated, syncjobs_date_error, syncjobs_redate_errors,
    syncjobs_errors_inserted, syncjobs_errors_deleted, syncjobs_errors_updated, syncjobs_errors_truncated,
    syncjobs_group_deleted, syncjobs_change_written, syncjobs_change_updated, syncjobs_change_truncated,
    syncjobs_change_queue;
