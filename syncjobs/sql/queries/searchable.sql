-- What a search of jobs by text looks at: names of bands that contain the text, and all error groups, each with its
-- number of jobs. Parameters: text, in lower case with single blanks.
SELECT NULL AS fingerprint, band_name AS text, sum(n) AS n
  FROM (SELECT band_name, n FROM syncjobs_bandnamecount
        UNION ALL
        SELECT band_name, n FROM syncjobs_jobdelta WHERE band_name <> '') AS folded_and_not
 WHERE strpos(lower(regexp_replace(band_name, '\s+', ' ', 'g')), %(text)s) > 0
 GROUP BY band_name HAVING sum(n) <> 0
UNION ALL
SELECT fingerprint, message, job_count + COALESCE(delta.jobs, 0)
  FROM syncjobs_errorgroup
  LEFT JOIN (SELECT group_id, sum(jobs) AS jobs FROM syncjobs_errordelta GROUP BY group_id) AS delta
         ON delta.group_id = fingerprint
 ORDER BY 1, 2
