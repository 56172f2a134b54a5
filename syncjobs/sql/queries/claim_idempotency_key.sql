-- Take a key for a request. No row is returned if a request of the last `hours` has it. The unique constraint makes a
-- concurrent request with the same key wait here until the first one has committed its answer or has given up.
INSERT INTO syncjobs_idempotencykey AS known (user_id, key, request_hash, answer, location, created_at)
VALUES (%(user)s, %(key)s, %(request_hash)s, '', '', now())
ON CONFLICT (user_id, key) DO UPDATE SET
    request_hash = EXCLUDED.request_hash, status = NULL, answer = '', location = '', created_at = now()
WHERE known.created_at <= now() - make_interval(hours => %(hours)s)
RETURNING id
