-- The bands with the most errors of one group. A NULL band stands for errors of no band, or of a deleted one.
-- Parameters: fingerprint, limit.
WITH by_band AS MATERIALIZED (
    SELECT band_id, sum(n) AS n
      FROM (SELECT band_id, n FROM syncjobs_errorbandcount WHERE group_id = %(fingerprint)s
            UNION ALL
            SELECT band_id, errors FROM syncjobs_errordelta
             WHERE group_id = %(fingerprint)s AND band_id <> 0) AS folded_and_not
     GROUP BY band_id
), total AS (
    SELECT count + (SELECT COALESCE(sum(errors), 0) FROM syncjobs_errordelta WHERE group_id = %(fingerprint)s) AS n
      FROM syncjobs_errorgroup WHERE fingerprint = %(fingerprint)s
), ranked AS (
    SELECT band_id, n FROM by_band WHERE n > 0
    UNION ALL
    SELECT NULL, total.n - (SELECT COALESCE(sum(n), 0) FROM by_band) FROM total
     ORDER BY n DESC, band_id LIMIT %(limit)s
)
SELECT band_id, name, n FROM ranked LEFT JOIN bands_band ON id = band_id WHERE n > 0 ORDER BY n DESC, band_id
