-- A page of error groups, most frequent first, with the number of errors in all selected groups, and how many groups that match
-- the other filters have each state, or are new.
-- Parameters: since (NULL: all time), day (24 hours ago), fingerprint, reason, states and assignee (NULL: any; 0: nobody), is_new
-- (whether only new groups are selected), new_hours, newest, names (how many bands are named), sampled, limit, offset. If no group
-- is on the page, one row is returned whose fingerprint is NULL.
WITH delta AS MATERIALIZED (
    SELECT group_id, sum(errors) AS errors FROM syncjobs_errordelta GROUP BY group_id
), counted AS MATERIALIZED (
    SELECT group_id, count(*) AS n, max(created_at) AS last_at
      FROM syncjobs_joberror WHERE created_at >= %(since)s::timestamptz GROUP BY group_id
    UNION ALL
    SELECT fingerprint, count + COALESCE(errors, 0), last_seen_at
      FROM syncjobs_errorgroup LEFT JOIN delta ON group_id = fingerprint
     WHERE %(since)s::timestamptz IS NULL AND (%(fingerprint)s::text IS NULL OR fingerprint = %(fingerprint)s)
), matching AS MATERIALIZED (
    SELECT fingerprint, n, last_at, state,
           state = 'open' AND first_seen_at > statement_timestamp() - make_interval(hours => %(new_hours)s) AS is_new
      FROM counted JOIN syncjobs_errorgroup AS g ON fingerprint = group_id,
           LATERAL (SELECT syncjobs_error_state_v1(acknowledged_at, resolved_at, ignored_until,
                                                   COALESCE(last_final_at, last_seen_at), statement_timestamp()) AS state) AS derived
     WHERE (n > 0 OR fingerprint = %(fingerprint)s)
       AND (%(reason)s::text IS NULL OR reason = %(reason)s)
       AND (%(assignee)s::bigint IS NULL OR COALESCE(assignee_id, 0) = %(assignee)s)
), selected AS MATERIALIZED (
    SELECT * FROM matching
     WHERE (%(states)s::text[] IS NULL OR state = ANY (%(states)s)) AND (is_new OR NOT %(is_new)s)
), tally AS (
    SELECT COALESCE(jsonb_object_agg(state, n), '{}') AS states, COALESCE(sum(new), 0) AS new
      FROM (SELECT state, count(*) AS n, count(*) FILTER (WHERE is_new) AS new FROM matching GROUP BY state) AS by_state
), page AS (
    SELECT * FROM selected ORDER BY n DESC, fingerprint LIMIT %(limit)s OFFSET %(offset)s
)
SELECT page.fingerprint, reason, message, sample, is_permanent, acknowledged_at, acknowledged_by, note, first_seen_at,
       last_at, n AS count, total, tally.states, tally.new, state, is_new, resolved_at, resolved_by, ignored_until, ignored_by,
       (SELECT username FROM auth_user WHERE auth_user.id = assignee_id) AS assignee,
       COALESCE(GREATEST(acknowledged_at, resolved_at) < COALESCE(last_final_at, last_seen_at), false) AS has_come_back,
       CASE WHEN %(since)s::timestamptz IS NULL THEN
           -- The folded count, and the bands that what is not folded yet adds or removes.
           band_count + (SELECT COALESCE(sum((COALESCE(folded.n, 0) + change.n > 0)::int - (COALESCE(folded.n, 0) > 0)::int), 0)
                           FROM (SELECT band_id, sum(errors) AS n FROM syncjobs_errordelta
                                  WHERE group_id = page.fingerprint AND band_id <> 0 GROUP BY band_id) AS change
                           LEFT JOIN syncjobs_errorbandcount AS folded
                                  ON folded.group_id = page.fingerprint AND folded.band_id = change.band_id)
       ELSE
           (SELECT count(DISTINCT band_id) FROM syncjobs_joberror AS e
             WHERE e.group_id = page.fingerprint AND e.created_at >= %(since)s::timestamptz)
       END AS bands,
       -- The bands with the newest errors first. Of all time, only the newest errors are read; bands that have none among
       -- them follow by name, so that a group with millions of errors is as quick as a small one.
       CASE WHEN %(since)s::timestamptz IS NULL THEN
           ARRAY(SELECT name
                   FROM (SELECT band_id, max(created_at) AS last_at
                           FROM (SELECT band_id, created_at FROM syncjobs_joberror AS e
                                  WHERE e.group_id = page.fingerprint ORDER BY created_at DESC LIMIT %(sampled)s) AS newest
                          GROUP BY band_id
                          UNION ALL
                         SELECT band_id, NULL FROM syncjobs_errorbandcount AS folded
                          WHERE folded.group_id = page.fingerprint AND folded.n > 0) AS seen
                   JOIN bands_band ON bands_band.id = band_id
                  GROUP BY bands_band.id, name ORDER BY max(last_at) DESC NULLS LAST, name, bands_band.id LIMIT %(names)s)
       ELSE
           ARRAY(SELECT name FROM syncjobs_joberror AS e JOIN bands_band ON bands_band.id = e.band_id
                  WHERE e.group_id = page.fingerprint AND e.created_at >= %(since)s::timestamptz
                  GROUP BY bands_band.id, name ORDER BY max(e.created_at) DESC, name, bands_band.id LIMIT %(names)s)
       END AS band_names,
       ARRAY(SELECT job_id FROM syncjobs_joberror AS e
              WHERE e.group_id = page.fingerprint ORDER BY created_at DESC LIMIT %(newest)s) AS recent_jobs,
       ARRAY(SELECT ARRAY[floor(date_part('epoch', created_at) / 3600)::bigint, count(*)] FROM syncjobs_joberror AS e
              WHERE e.group_id = page.fingerprint AND e.created_at >= %(day)s
              GROUP BY floor(date_part('epoch', created_at) / 3600) ORDER BY 1) AS hours
  FROM (SELECT COALESCE(sum(n), 0) AS total FROM selected) AS all_selected CROSS JOIN tally
  LEFT JOIN page ON true
  LEFT JOIN syncjobs_errorgroup AS g ON g.fingerprint = page.fingerprint
 ORDER BY n DESC, page.fingerprint
