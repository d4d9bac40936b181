-- Instants are integers: microseconds since the Unix epoch. The views at the end
-- format them.

-- The identity of the database, generated once: the secret that signs lease ids,
-- and the id of the event log.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- One row per resource, written once per batch. It contains what the next batch
-- needs without further reads.
CREATE TABLE resources (
    name             TEXT PRIMARY KEY NOT NULL,
    version          BIGINT NOT NULL,
    token            BIGINT NOT NULL,
    touched_at       BIGINT NOT NULL,
    -- At or before the first instant at which something is due. Only the sweeper
    -- moves it to a later instant, so that a renewal touches no index.
    check_at         BIGINT NOT NULL,
    queue_len        BIGINT NOT NULL,
    holder_count     BIGINT NOT NULL,
    -- The claim of the exclusive holder. Shared claims have an index.
    holder_principal TEXT,
    holder_key       TEXT
) WITHOUT ROWID;
CREATE INDEX resources_check ON resources (check_at);

-- One row per acquire, through its life: waiting, live, ended. The ended row is
-- the tombstone of its key. The table is clustered by key first: the client's
-- keys grow with time, so the rows of a batch land on the same few pages, however
-- many resources they belong to.
CREATE TABLE claims (
    resource      TEXT NOT NULL,
    principal     TEXT NOT NULL,
    key           TEXT NOT NULL,
    -- The request as first sent. NULL if it was cancelled before it arrived.
    shared        BOOLEAN,
    ttl_asked_ms  BIGINT,
    wait_ms       BIGINT,
    owner         TEXT,
    metadata      TEXT,
    -- Set while the claim is waiting.
    ticket        BIGINT,
    enqueued_at   BIGINT,
    deadline      BIGINT,
    replica       BIGINT,
    away_since    BIGINT,
    check_at      BIGINT,
    -- Set once the claim was granted.
    token         BIGINT,
    waited_ticket BIGINT,
    granted_at    BIGINT,
    term_at       BIGINT,
    ttl_ms        BIGINT,
    expires_at    BIGINT,
    -- The token of a live shared lease, for its index.
    shared_token  BIGINT,
    -- Set once the claim has ended.
    ended_at      BIGINT,
    end_reason    SMALLINT,
    current_token BIGINT,
    -- The token of a force-released lease, for its index.
    forced_token  BIGINT,
    cancel        SMALLINT,
    PRIMARY KEY (key, resource, principal)
) WITHOUT ROWID;
CREATE INDEX claims_queue ON claims (resource, ticket) WHERE ticket IS NOT NULL;
CREATE INDEX claims_check ON claims (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX claims_shared ON claims (resource, shared_token) WHERE shared_token IS NOT NULL;
CREATE INDEX claims_forced ON claims (resource, forced_token) WHERE forced_token IS NOT NULL;

-- Where the counters of deleted resources continue, by hash bucket of the name.
CREATE TABLE floors (
    bucket  INTEGER PRIMARY KEY NOT NULL,
    token   BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- The event log, one row per batch: its events in order, as a JSON array, and
-- the number of events ever logged up to and including it.
CREATE TABLE log (
    position INTEGER PRIMARY KEY NOT NULL,
    at       BIGINT NOT NULL,
    upto     BIGINT NOT NULL,
    events   TEXT NOT NULL
);

-- One row: the last row of the log that was trimmed.
CREATE TABLE log_trimmed (
    position BIGINT NOT NULL,
    upto     BIGINT NOT NULL
);
INSERT INTO log_trimmed (position, upto) VALUES (0, 0);

-- The marker rows: the last batch of each writer. After a COMMIT of unknown
-- outcome the marker tells whether it was applied.
CREATE TABLE writers (
    id    INTEGER PRIMARY KEY NOT NULL,
    batch BIGINT NOT NULL,
    at    BIGINT NOT NULL
);

CREATE VIEW holders_readable AS
SELECT resource, token, CASE shared WHEN 1 THEN 'shared' ELSE 'exclusive' END AS mode, owner, metadata, ttl_ms,
       strftime('%Y-%m-%dT%H:%M:%fZ', granted_at / 1000000.0, 'unixepoch') AS granted_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', expires_at / 1000000.0, 'unixepoch') AS expires_at
FROM claims WHERE token IS NOT NULL AND ended_at IS NULL;

CREATE VIEW waiters_readable AS
SELECT resource, ticket, CASE shared WHEN 1 THEN 'shared' ELSE 'exclusive' END AS mode, owner,
       strftime('%Y-%m-%dT%H:%M:%fZ', enqueued_at / 1000000.0, 'unixepoch') AS enqueued_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', deadline / 1000000.0, 'unixepoch') AS deadline,
       strftime('%Y-%m-%dT%H:%M:%fZ', away_since / 1000000.0, 'unixepoch') AS away_since
FROM claims WHERE ticket IS NOT NULL;

CREATE VIEW events_readable AS
SELECT log.position, item.key AS idx, item.value ->> 'resource' AS resource, item.value ->> 'kind' AS kind,
       item.value ->> 'version' AS version, item.value ->> 'token' AS token, item.value ->> 'owner' AS owner,
       strftime('%Y-%m-%dT%H:%M:%fZ', (item.value ->> 'at') / 1000000.0, 'unixepoch') AS at,
       item.value ->> 'reason' AS reason
FROM log, json_each(log.events) AS item;
