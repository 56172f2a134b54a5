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

CREATE OR REPLACE TRIGGER metric_noticed AFTER INSERT ON bands_video REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    EXECUTE FUNCTION syncjobs_metric_video_v2();

DROP FUNCTION syncjobs_metric_video_v1;
