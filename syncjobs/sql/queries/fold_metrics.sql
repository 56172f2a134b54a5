-- Move the events into the metrics, and note when that happened.
WITH taken AS (
    DELETE FROM syncjobs_metricdelta RETURNING *
)
INSERT INTO syncjobs_metric AS metric (name, label, second_label, bound, n, total, last_at)
SELECT name, label, second_label, syncjobs_metric_bound_v1(value, %(bounds)s::float8[]), sum(n), coalesce(sum(value), 0), max(at)
  FROM taken GROUP BY 1, 2, 3, 4
UNION ALL
SELECT 'fold', '', '', -1, 1, 0, statement_timestamp()
ON CONFLICT (name, label, second_label, bound) DO UPDATE
   SET n = metric.n + EXCLUDED.n, total = metric.total + EXCLUDED.total, last_at = greatest(metric.last_at, EXCLUDED.last_at)
