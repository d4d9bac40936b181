-- Where the log has the last events of a resource, or of the deleted ones in a bucket: at
-- this position or before; 0 if it has none. The events of a batch contain the same of each
-- of their resources, so the history of one is read without that of all others. The events
-- that older servers wrote do not: they are searched from here on.
ALTER TABLE resources ADD COLUMN last_events BIGINT NOT NULL DEFAULT 0;
UPDATE resources SET last_events = (SELECT coalesce(max(position), 0) FROM log);
ALTER TABLE floors ADD COLUMN last_events BIGINT NOT NULL DEFAULT 0;
UPDATE floors SET last_events = (SELECT coalesce(max(position), 0) FROM log);
