-- Take a key for a request. No row is returned if a request of the last `hours` has it, unless that one has not been answered
-- for `minutes`, because its process died. The unique constraint makes a concurrent request with the same key wait here
-- until the transaction of the first one ends.
INSERT INTO syncjobs_idempotencykey AS known (user_id, key, request_hash, answer, location, created_at)
VALUES (%(user)s, %(key)s, %(request_hash)s, '', '', now())
ON CONFLICT (user_id, key) DO UPDATE SET
    request_hash = EXCLUDED.request_hash, status = NULL, answer = '', location = '', created_at = now()
WHERE known.created_at <= now() - make_interval(hours => %(hours)s)
   OR (known.status IS NULL AND known.created_at <= now() - make_interval(mins => %(minutes)s))
RETURNING id
