-- Instants are integers: microseconds since the epoch, UTC. The views at the
-- end show them readable. Text is ordered by its bytes, in any locale.

-- What the database is told once: the secret of the lease ids, the id of the
-- event log.
CREATE TABLE meta (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One row a resource. It is what writers lock, and it is written once a batch.
-- Half a page is left free, so that an update stays on its page and no index
-- is touched.
CREATE TABLE resources (
    name             TEXT COLLATE "C" PRIMARY KEY,
    -- Grows with every write of anything of the resource: what a writer has in
    -- memory holds as long as it has this revision.
    revision         BIGINT NOT NULL,
    version          BIGINT NOT NULL,
    token            BIGINT NOT NULL,
    touched_at       BIGINT NOT NULL,
    -- At or before the first instant at which something is due. It moves when
    -- the sweeper has been, so that a renewal touches no index.
    check_at         BIGINT NOT NULL,
    queue_len        BIGINT NOT NULL,
    holder_count     BIGINT NOT NULL,
    -- The claim of the exclusive holder; shared ones are found by their index.
    holder_principal TEXT COLLATE "C",
    holder_key       TEXT COLLATE "C"
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX resources_check ON resources (check_at);

-- One row an acquire, through its life: waiting, live, ended. The ended row is
-- the tombstone of its key. The key comes first: the client's keys grow with
-- time, so the index entries of a batch land on the same few pages.
CREATE TABLE claims (
    resource      TEXT COLLATE "C" NOT NULL,
    principal     TEXT COLLATE "C" NOT NULL,
    key           TEXT COLLATE "C" NOT NULL,
    -- As first sent; NULL when it was cancelled before it arrived.
    shared        BOOLEAN,
    ttl_asked_ms  BIGINT,
    wait_ms       BIGINT,
    owner         TEXT,
    metadata      TEXT,
    -- While it waits.
    ticket        BIGINT,
    enqueued_at   BIGINT,
    deadline      BIGINT,
    replica       BIGINT,
    away_since    BIGINT,
    check_at      BIGINT,
    -- Once it was granted.
    token         BIGINT,
    waited_ticket BIGINT,
    granted_at    BIGINT,
    term_at       BIGINT,
    ttl_ms        BIGINT,
    expires_at    BIGINT,
    -- The token again, while it is a live shared lease.
    shared_token  BIGINT,
    -- Once it has ended.
    ended_at      BIGINT,
    end_reason    SMALLINT,
    current_token BIGINT,
    -- The token again, once it was force-released.
    forced_token  BIGINT,
    cancel        SMALLINT,
    PRIMARY KEY (key, resource, principal)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX claims_queue ON claims (resource, ticket) WHERE ticket IS NOT NULL;
CREATE INDEX claims_check ON claims (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX claims_replica ON claims (replica) WHERE replica IS NOT NULL;
CREATE INDEX claims_shared ON claims (resource, shared_token) WHERE shared_token IS NOT NULL;
CREATE INDEX claims_forced ON claims (resource, forced_token) WHERE forced_token IS NOT NULL;

-- Where the counters of forgotten names go on, by hash bucket of the name.
CREATE TABLE floors (
    bucket  BIGINT PRIMARY KEY,
    token   BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- The number of a batch is taken once it holds all its row locks: for one
-- resource, numbers grow in the order of the commits.
CREATE SEQUENCE batches;

-- The events of each batch, in order, as a JSON array, and how many.
CREATE TABLE batch_events (
    batch  BIGINT PRIMARY KEY,
    at     BIGINT NOT NULL,
    count  BIGINT NOT NULL,
    events TEXT NOT NULL
);

-- Batches that are committed and have no place in the log yet.
CREATE TABLE unplaced (
    batch BIGINT PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- The event log: batches in the order in which they became visible, and how
-- many events the log ever had up to and with them.
CREATE TABLE log (
    position BIGINT PRIMARY KEY,
    batch    BIGINT NOT NULL,
    upto     BIGINT NOT NULL
);

-- One row: the last position of the log, how many events it ever had, and the
-- last position that was forgotten. Who gives batches their places locks it.
CREATE TABLE log_ends (
    head    BIGINT NOT NULL,
    upto    BIGINT NOT NULL,
    trimmed BIGINT NOT NULL
) WITH (fillfactor = 20);
INSERT INTO log_ends (head, upto, trimmed) VALUES (0, 0, 0);

-- The servers that share this database, each run of each.
CREATE TABLE replicas (
    id         BIGINT PRIMARY KEY,
    seen_at    BIGINT NOT NULL,
    -- Since when it has been missed.
    gone_since BIGINT
) WITH (fillfactor = 20);

-- The last batch of each writer: after a COMMIT of unknown outcome it says
-- what became of it.
CREATE TABLE writers (
    id      BIGINT PRIMARY KEY,
    replica BIGINT NOT NULL REFERENCES replicas (id) ON DELETE CASCADE,
    batch   BIGINT NOT NULL,
    at      BIGINT NOT NULL
) WITH (fillfactor = 20);
CREATE INDEX writers_replica ON writers (replica);

CREATE VIEW holders_readable AS
SELECT resource, token, CASE WHEN shared THEN 'shared' ELSE 'exclusive' END AS mode, owner, metadata, ttl_ms,
       to_timestamp(granted_at / 1000000.0) AS granted_at, to_timestamp(expires_at / 1000000.0) AS expires_at
FROM claims WHERE token IS NOT NULL AND ended_at IS NULL;

CREATE VIEW waiters_readable AS
SELECT resource, ticket, CASE WHEN shared THEN 'shared' ELSE 'exclusive' END AS mode, owner, replica,
       to_timestamp(enqueued_at / 1000000.0) AS enqueued_at, to_timestamp(deadline / 1000000.0) AS deadline,
       to_timestamp(away_since / 1000000.0) AS away_since
FROM claims WHERE ticket IS NOT NULL;

CREATE VIEW events_readable AS
SELECT log.position, item.idx - 1 AS idx, item.event ->> 'resource' AS resource, item.event ->> 'kind' AS kind,
       (item.event ->> 'version')::bigint AS version, (item.event ->> 'token')::bigint AS token,
       item.event ->> 'owner' AS owner, to_timestamp((item.event ->> 'at')::bigint / 1000000.0) AS at,
       item.event ->> 'reason' AS reason
FROM log JOIN batch_events USING (batch),
     LATERAL json_array_elements(batch_events.events::json) WITH ORDINALITY AS item (event, idx);
