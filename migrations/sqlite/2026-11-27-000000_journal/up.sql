-- The journal: one row per batch, with everything that the batch changed and its events.
-- A batch commits nothing else. The other tables follow a little later, and the row is
-- deleted in the transaction that does so.
CREATE TABLE journal (
    -- The number of the batch, which is also its position in the log.
    position INTEGER PRIMARY KEY NOT NULL,
    at       BIGINT NOT NULL,
    -- The number of events ever logged, up to and including this batch.
    upto     BIGINT NOT NULL,
    data     BLOB NOT NULL
);

-- The events of a batch: a JSON array (TEXT) if an older server wrote the row, and bytes
-- (BLOB), which SQL can't read, otherwise.
DROP VIEW events_readable;
ALTER TABLE log RENAME COLUMN events TO data;
