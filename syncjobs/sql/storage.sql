-- What Django's models can't say about the tables that the triggers fill: primary keys with INCLUDE, and autovacuum.

-- The count in the index makes reads of counts index-only.
ALTER TABLE syncjobs_jobcount DROP CONSTRAINT syncjobs_jobcount_pkey,
    ADD PRIMARY KEY (grain, band_id, since, across, job_type, status) INCLUDE (n);
ALTER TABLE syncjobs_errorbandcount DROP CONSTRAINT syncjobs_errorbandcount_pkey,
    ADD PRIMARY KEY (group_id, band_id) INCLUDE (n);

-- These tables are small or turn over quickly, so autovacuum goes by rows instead of a share of the table.
ALTER TABLE syncjobs_jobcount SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE syncjobs_jobdelta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE syncjobs_jobmarkdelta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE syncjobs_errordelta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE syncjobs_metricdelta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE syncjobs_jobchange SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
