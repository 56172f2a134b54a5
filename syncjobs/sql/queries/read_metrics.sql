-- The metrics, with the events that are not folded yet, in one snapshot.
SELECT name, label, second_label, bound, sum(n), sum(total), max(last_at)
  FROM (SELECT name, label, second_label, bound, n, total, last_at FROM syncjobs_metric
        UNION ALL
        SELECT name, label, second_label, syncjobs_metric_bound_v1(value, %(bounds)s::float8[]), n, coalesce(value, 0), at
          FROM syncjobs_metricdelta) AS part
 GROUP BY 1, 2, 3, 4
