-- Instants are integers: microseconds since the Unix epoch. The views at the end
-- format them. Text is ordered by its bytes in any locale.

-- The identity of the database, generated once: the secret that signs lease ids,
-- and the id of the event log.
CREATE TABLE meta (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One row per resource. Writers lock it, and write it once per batch. Half of
-- each page is left free, so that updates stay on their page and touch no index.
CREATE TABLE resources (
    name             TEXT COLLATE "C" PRIMARY KEY,
    -- Grows with every write to the resource or its claims. A writer's copy in
    -- memory is valid while its revision and version are these.
    revision         BIGINT NOT NULL,
    version          BIGINT NOT NULL,
    token            BIGINT NOT NULL,
    touched_at       BIGINT NOT NULL,
    -- At or before the first instant at which something is due. Only the sweeper
    -- moves it to a later instant, so that a renewal touches no index.
    check_at         BIGINT NOT NULL,
    queue_len        BIGINT NOT NULL,
    holder_count     BIGINT NOT NULL,
    -- The claim of the exclusive holder. Shared claims have an index.
    holder_principal TEXT COLLATE "C",
    holder_key       TEXT COLLATE "C"
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX resources_check ON resources (check_at);

-- One row per acquire, through its life: waiting, live, ended. The ended row is
-- the tombstone of its key. The primary key starts with the key: the client's
-- keys grow with time, so the index entries of a batch land on the same few pages.
CREATE TABLE claims (
    resource      TEXT COLLATE "C" NOT NULL,
    principal     TEXT COLLATE "C" NOT NULL,
    key           TEXT COLLATE "C" NOT NULL,
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
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX claims_queue ON claims (resource, ticket) WHERE ticket IS NOT NULL;
CREATE INDEX claims_check ON claims (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX claims_replica ON claims (replica) WHERE replica IS NOT NULL;
CREATE INDEX claims_shared ON claims (resource, shared_token) WHERE shared_token IS NOT NULL;
CREATE INDEX claims_forced ON claims (resource, forced_token) WHERE forced_token IS NOT NULL;

-- Where the counters of deleted resources continue, by hash bucket of the name.
CREATE TABLE floors (
    bucket  BIGINT PRIMARY KEY,
    token   BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- A batch takes its number once it holds all its row locks. For any one
-- resource, numbers grow in commit order.
CREATE SEQUENCE batches;

-- The events of each batch: a JSON array in order, and their number.
CREATE TABLE batch_events (
    batch  BIGINT PRIMARY KEY,
    at     BIGINT NOT NULL,
    count  BIGINT NOT NULL,
    events TEXT NOT NULL
);

-- Committed batches that have no position in the log yet.
CREATE TABLE unplaced (
    batch BIGINT PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- The event log: batches in the order in which they were assigned a position,
-- and the number of events ever logged up to and including each.
CREATE TABLE log (
    position BIGINT PRIMARY KEY,
    batch    BIGINT NOT NULL,
    upto     BIGINT NOT NULL
);

-- One row: the last position of the log, the number of events ever logged, and
-- the last position that was trimmed. It is locked to assign positions.
CREATE TABLE log_ends (
    head    BIGINT NOT NULL,
    upto    BIGINT NOT NULL,
    trimmed BIGINT NOT NULL
) WITH (fillfactor = 20);
INSERT INTO log_ends (head, upto, trimmed) VALUES (0, 0, 0);

-- The replicas that share this database: one row per run of a server.
CREATE TABLE replicas (
    id         BIGINT PRIMARY KEY,
    seen_at    BIGINT NOT NULL,
    -- When it was declared dead.
    gone_since BIGINT
) WITH (fillfactor = 20);

-- The marker rows: the last batch of each writer. After a COMMIT of unknown
-- outcome the marker tells whether it was applied.
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
