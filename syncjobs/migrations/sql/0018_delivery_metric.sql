CREATE OR REPLACE FUNCTION syncjobs_metric_delivery_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_metricdelta (name, label, second_label)
    SELECT 'delivery', kind, NEW.state FROM syncjobs_alertchannel WHERE id = NEW.channel_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER metric_delivered AFTER UPDATE OF state ON syncjobs_alertdelivery FOR EACH ROW
    WHEN (OLD.state = 'PENDING' AND NEW.state <> 'PENDING') EXECUTE FUNCTION syncjobs_metric_delivery_v1();
