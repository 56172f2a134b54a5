-- Events that Prometheus counts. Each is a delta in the transaction of what happened; counters.fold() adds them up, so
-- nobody waits for anybody at a counter, and a deletion lowers none. The WHEN of a trigger keeps it from every other update.

CREATE OR REPLACE FUNCTION syncjobs_metric_job_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO syncjobs_metricdelta (name, label, second_label) VALUES ('retry', NEW.job_type, 'manual');
    ELSIF NEW.status = 'QUEUED' THEN
        INSERT INTO syncjobs_metricdelta (name, label, second_label) VALUES ('retry', NEW.job_type, 'automatic');
    ELSE
        -- All-bands jobs last as long as their children wait.
        INSERT INTO syncjobs_metricdelta (name, label, second_label, value)
        VALUES ('job', NEW.job_type, NEW.status, CASE WHEN NOT NEW.fans_out THEN
                greatest(0, extract(epoch FROM NEW.completed_at - NEW.started_at)::float8) END);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_metric_attempt_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO syncjobs_metricdelta (name, label, second_label, value)
        SELECT 'wait', job_type, queue, greatest(0, extract(epoch FROM NEW.started_at - run_at)::float8)
          FROM syncjobs_syncjob WHERE id = NEW.job_id;
    ELSE
        INSERT INTO syncjobs_metricdelta (name, label, second_label)
        SELECT 'attempt', job_type, NEW.outcome FROM syncjobs_syncjob WHERE id = NEW.job_id;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_metric_call_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO syncjobs_metricdelta (name, label, second_label, n)
        VALUES ('units', NEW.bucket, NEW.operation, NEW.units);
    ELSE
        INSERT INTO syncjobs_metricdelta (name, label, second_label, value)
        VALUES ('call', NEW.operation,
                CASE WHEN NEW.reason = '' THEN 'success'
                     WHEN NEW.http_status IS NULL THEN 'no_answer'
                     WHEN NEW.http_status >= 500 THEN 'server_error'
                     WHEN NEW.http_status >= 400 THEN 'client_error'
                     ELSE 'bad_answer' END,
                greatest(0, NEW.seconds));
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_metric_alert_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_metricdelta (name, label, second_label) VALUES ('alert', NEW.rule, NEW.severity);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER metric_retried AFTER INSERT ON syncjobs_syncjob FOR EACH ROW
    WHEN (NEW.retry_of_id IS NOT NULL) EXECUTE FUNCTION syncjobs_metric_job_v1();
CREATE OR REPLACE TRIGGER metric_job AFTER UPDATE OF status ON syncjobs_syncjob FOR EACH ROW
    WHEN ((OLD.status IN ('QUEUED', 'IN_PROGRESS') AND NEW.status IN ('COMPLETED', 'FAILED', 'CANCELLED'))
          OR (OLD.status = 'IN_PROGRESS' AND NEW.status = 'QUEUED' AND NEW.delay_reason = 'RETRY'))
    EXECUTE FUNCTION syncjobs_metric_job_v1();
CREATE OR REPLACE TRIGGER metric_started AFTER INSERT ON syncjobs_attempt FOR EACH ROW
    EXECUTE FUNCTION syncjobs_metric_attempt_v1();
CREATE OR REPLACE TRIGGER metric_ended AFTER UPDATE OF outcome ON syncjobs_attempt FOR EACH ROW
    WHEN (OLD.outcome = 'RUNNING' AND NEW.outcome <> 'RUNNING') EXECUTE FUNCTION syncjobs_metric_attempt_v1();
CREATE OR REPLACE TRIGGER metric_reserved AFTER INSERT ON syncjobs_quotacall FOR EACH ROW
    EXECUTE FUNCTION syncjobs_metric_call_v1();
CREATE OR REPLACE TRIGGER metric_called AFTER UPDATE OF seconds ON syncjobs_quotacall FOR EACH ROW
    WHEN (OLD.seconds IS NULL AND NEW.seconds IS NOT NULL) EXECUTE FUNCTION syncjobs_metric_call_v1();
CREATE OR REPLACE TRIGGER metric_opened AFTER INSERT ON syncjobs_alert FOR EACH ROW
    EXECUTE FUNCTION syncjobs_metric_alert_v1();

-- The smallest of the bounds that the value does not exceed; -1 for no value.
CREATE OR REPLACE FUNCTION syncjobs_metric_bound_v1(value float8, bounds float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value IS NULL THEN -1
                ELSE coalesce((SELECT min(bound) FROM unnest(bounds) AS bound WHERE value <= bound), 'Infinity') END
$$;

-- A person may send a delivery that has failed again; it then ends a second time.
CREATE OR REPLACE FUNCTION syncjobs_metric_delivery_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_metricdelta (name, label, second_label)
    SELECT 'delivery', kind, NEW.state FROM syncjobs_alertchannel WHERE id = NEW.channel_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER metric_delivered AFTER UPDATE OF state ON syncjobs_alertdelivery FOR EACH ROW
    WHEN (OLD.state = 'PENDING' AND NEW.state <> 'PENDING') EXECUTE FUNCTION syncjobs_metric_delivery_v1();

-- New videos by how they were noticed; and how late those were that we promised to notice: of watched channels, published
-- since we watch them, and not before the end of a pause of the band.
CREATE OR REPLACE FUNCTION syncjobs_metric_video_v2() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_metricdelta (name, label, second_label, n)
    SELECT 'noticed', noticed_by, '', count(*) FROM added WHERE noticed_by <> '' GROUP BY noticed_by;
    INSERT INTO syncjobs_metricdelta (name, label, second_label, value)
    SELECT 'fresh', video.noticed_by, '', greatest(0, extract(epoch FROM video.created_at - video.published_at)::float8)
      FROM added AS video
      JOIN syncjobs_channelfeed AS feed ON feed.band_id = video.band_id AND feed.channel_id = video.channel_id
      JOIN bands_band AS band ON band.id = video.band_id
     WHERE video.noticed_by <> '' AND video.published_at >= greatest(feed.watched_since, band.resumed_at)
       AND video.created_at - video.published_at < interval '30 days';
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_metric_change_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_metricdelta (name, label, second_label) VALUES ('change', '', '');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER metric_noticed AFTER INSERT ON bands_video REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    EXECUTE FUNCTION syncjobs_metric_video_v2();
CREATE OR REPLACE TRIGGER metric_changed AFTER UPDATE OF notice_updated_at ON bands_video FOR EACH ROW
    WHEN (NEW.notice_updated_at IS DISTINCT FROM OLD.notice_updated_at) EXECUTE FUNCTION syncjobs_metric_change_v1();
