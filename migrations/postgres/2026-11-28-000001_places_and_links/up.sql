-- The last batch with events of a resource, or of the deleted ones in a bucket, or a later one; 0 if
-- there is none. The first event of a batch on each resource has the same, so the history of one is
-- read without that of all others. The events that older servers wrote do not: they are searched.
LOCK TABLE resources, batch_events IN ACCESS EXCLUSIVE MODE;
DO $$ DECLARE
    last_batch BIGINT := (SELECT coalesce(max(batch), 0) FROM batch_events);
BEGIN
    -- As a default it rewrites no rows.
    EXECUTE format('ALTER TABLE resources ADD COLUMN last_events BIGINT NOT NULL DEFAULT %s', last_batch);
    EXECUTE format('ALTER TABLE floors ADD COLUMN last_events BIGINT NOT NULL DEFAULT %s', last_batch);
END $$;
ALTER TABLE resources ALTER COLUMN last_events SET DEFAULT 0;
ALTER TABLE floors ALTER COLUMN last_events SET DEFAULT 0;
CREATE UNIQUE INDEX log_batch ON log (batch);

-- Servers that do not link events can't write any more: the history of a resource would lack theirs.
ALTER TABLE batch_events RENAME COLUMN count TO event_count;

-- One row per resource, which makes its name unique, and has its check instant. It changes rarely.
-- A resource that is held or waited for is `in_use`. One that is not may be, until the sweeper has
-- checked it, so that no release writes here.
-- The rows of resources change all the time, and while a long transaction keeps their old versions
-- from being removed, each entry of a unique index costs a look at all of them.
CREATE TABLE resource_names (
    name     TEXT COLLATE "C" PRIMARY KEY,
    check_at BIGINT NOT NULL,
    in_use   BOOLEAN NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
INSERT INTO resource_names (name, check_at, in_use)
    SELECT name, check_at, holder_count > 0 OR queue_len > 0 FROM resources;
CREATE INDEX resource_names_in_use ON resource_names (name) WHERE in_use;
CREATE INDEX resource_names_check ON resource_names (check_at);
DO $$ BEGIN
    -- Those of a table without rows would stay until it is large.
    IF EXISTS (SELECT FROM resource_names) THEN
        ANALYZE resource_names;
    END IF;
END $$;
DROP INDEX resources_check;
ALTER TABLE resources DROP CONSTRAINT resources_pkey;
CREATE INDEX resources_name ON resources (name);
-- Otherwise no row of a published table without a primary key can be changed.
ALTER TABLE resources REPLICA IDENTITY FULL;
ALTER TABLE log_ends REPLICA IDENTITY FULL;

-- Removes old versions of rows from these pages of the resources.
--
-- A page from which rows are read in order gets rid of the versions that nobody can see any more; one whose
-- rows are found by their places does not. It would become full, and each change would move its row to
-- another page and add entries to indexes.
CREATE FUNCTION prune_pages(pages BIGINT[]) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    page BIGINT;
BEGIN
    FOREACH page IN ARRAY pages LOOP
        PERFORM FROM resources
            WHERE ctid >= format('(%s,0)', page)::tid AND ctid < format('(%s,0)', page + 1)::tid;
    END LOOP;
    RETURN cardinality(pages);
END $$;

-- Replaces the function that writes the batches which a writer decides on what it has in memory.
--
-- Writes what a batch has decided, if it still holds. Each resource is written whole or left
-- out; with `all_or_nothing`, all are written or none. The order of the statements is what makes that
-- safe, so each is a statement of its own, with a snapshot of its own: see
-- docs/decisions/0021-optimistic-batches.md.
--
-- `names` are the resources that the batch depends on, `basis` the revision and version that
-- each was decided on, and `places` the ctid of its row, or NULL if that is not known. `crowded` are
-- the pages of these that may have many old versions of rows. A revision
-- of 0 is that of a resource that must not exist yet; `floors` has the bucket, token, version and
-- last events of the floor that was assumed for each of these.
-- Before `valid_until` no lease on any of them expires.
-- Everything else names its resource by the position in `names`. Rows are written of the
-- resources in `written`; of those in `touched` only claims have changed; those in `seen` do
-- not change.
--
-- A row of `written`: position, version, token, touched_at, check_at, queue_len, holder_count,
-- last_events (NULL: this batch); in `holders`: principal, key. A row of `inserted`: position, shared, ttl_asked_ms, wait_ms,
-- and the state; in `inserted_texts`: principal, key, owner, metadata. A row of `updated`:
-- position, and the state; in `updated_texts`: principal, key. A state: ticket, enqueued_at,
-- deadline, replica, away_since, check_at, token, waited_ticket, granted_at, term_at, ttl_ms,
-- expires_at, shared_token, ended_at, end_reason, current_token, forced_token, cancel.
--
-- `marker_place` is the ctid of the writer's marker row, or empty if it is not known;
-- `marked_place` is its new one. `moved_to` are the new ctids of the rows of `moved`, `created_at` those of
-- the new rows, `created`. `number` is that of the batch, or NULL if nothing was written. `is_valid` is whether the
-- decisions hold for the resources that were not left out (`omitted`), `is_replicated` whether
-- commits wait for a standby. All of the batch waits for a lock that a statement waits for, so none
-- waits for long.
--
-- Rows are found by their places: while a long transaction keeps old versions from being removed,
-- an index leads to all of them. A row that has moved since has been changed since. A row of
-- `rechecked`: position, check_at, in_use.
DROP FUNCTION commit_batch_2;
CREATE FUNCTION commit_batch_3(
    decided_at BIGINT, valid_until BIGINT, writer BIGINT, last_batch BIGINT, marker_place TEXT, must_mark BIGINT,
    all_or_nothing BIGINT,
    names TEXT[], basis BIGINT[], places TEXT[], crowded BIGINT[], floors BIGINT[],
    written BIGINT[], holders TEXT[], touched BIGINT[], seen BIGINT[], rechecked BIGINT[],
    inserted BIGINT[], inserted_texts TEXT[], updated BIGINT[], updated_texts TEXT[],
    logged BIGINT[], events TEXT[],
    OUT clock BIGINT, OUT number BIGINT, OUT is_valid BOOLEAN, OUT omitted BIGINT[], OUT is_replicated BOOLEAN,
    OUT marked_place TEXT, OUT moved BIGINT[], OUT moved_to TEXT[], OUT created TEXT[], OUT created_at TEXT[]
) LANGUAGE plpgsql SET lock_timeout = '20ms' AS $$
DECLARE
    writes CONSTANT BOOLEAN := cardinality(written) > 0 OR cardinality(touched) > 0;
    creates CONSTANT BOOLEAN := cardinality(floors) > 0;
    locks_by_writing CONSTANT BOOLEAN := all_or_nothing <> 0 AND writes;
    held BIGINT[] := '{}';
    touched_items BIGINT[];
    touched_places TEXT[];
    next_number BIGINT;
    is_complete BOOLEAN := TRUE;
    is_held BOOLEAN[];
    item BIGINT;
    expected BIGINT;
    changes BIGINT := 0;
    event_count BIGINT;
    event_list TEXT;
BEGIN
    is_valid := FALSE;
    is_replicated := current_setting('synchronous_standby_names') <> '';
    IF writes AND cardinality(crowded) > 0 THEN
        PERFORM prune_pages(crowded);
    END IF;
    -- Lock the rows that are as the batch knows them. A row that another server has locked is
    -- not waited for. With `all_or_nothing` those that change are locked by that. What changes nothing
    -- holds if it does now, so that it needs no lock, nor a commit that is synced.
    IF NOT writes THEN
        SELECT coalesce(array_agg(asked.item), '{}') INTO held
            FROM generate_subscripts(names, 1) AS asked (item) JOIN resources
            ON resources.ctid = coalesce(places[asked.item]::tid,
                (SELECT ctid FROM resources AS named WHERE named.name = names[asked.item]))
            AND (resources.name = names[asked.item]) IS TRUE
            AND resources.revision = basis[2 * asked.item - 1] AND resources.version = basis[2 * asked.item];
    ELSIF NOT locks_by_writing THEN
        SELECT coalesce(array_agg(locked.item), '{}') INTO held FROM (
            SELECT asked.item FROM generate_subscripts(names, 1) AS asked (item) JOIN resources
            ON resources.ctid = coalesce(places[asked.item]::tid,
                (SELECT ctid FROM resources AS named WHERE named.name = names[asked.item]))
            AND (resources.name = names[asked.item]) IS TRUE
            AND resources.revision = basis[2 * asked.item - 1] AND resources.version = basis[2 * asked.item]
            FOR UPDATE OF resources SKIP LOCKED) AS locked;
    ELSIF cardinality(seen) > 0 THEN
        PERFORM FROM unnest(seen) AS asked (item) JOIN resources
            ON resources.ctid = coalesce(places[asked.item]::tid,
                (SELECT ctid FROM resources AS named WHERE named.name = names[asked.item]))
            AND (resources.name = names[asked.item]) IS TRUE
            AND resources.revision = basis[2 * asked.item - 1] AND resources.version = basis[2 * asked.item]
            FOR UPDATE OF resources;
        GET DIAGNOSTICS changes = ROW_COUNT;
    END IF;
    -- The decisions must not be from the future, so that nothing has expired early, and not from
    -- the past, so that nothing is revived. While no lease has expired since, they may be older.
    clock := extract(epoch FROM clock_timestamp()) * 1000000;
    IF decided_at > clock OR decided_at < clock - 2000 AND (clock >= valid_until OR decided_at < clock - 50000) THEN
        RETURN;
    END IF;
    -- The number grows with each commit on a resource: what a row was when it was read has been
    -- committed before, and if it is not so any more, nothing is written.
    IF writes OR must_mark <> 0 THEN
        next_number := nextval('batches');
    END IF;
    IF creates THEN
        -- A name that another server is changing is not waited for; one that it has just inserted is.
        WITH new_names AS (
            INSERT INTO resource_names AS existing (name, check_at, in_use)
            SELECT names[written[i]], written[i + 4], written[i + 5] > 0 OR written[i + 6] > 0 FROM generate_series(1, cardinality(written), 8) AS i
            WHERE basis[2 * written[i] - 1] = 0
                AND NOT EXISTS (SELECT FROM resource_names WHERE resource_names.name = names[written[i]])
            ON CONFLICT DO NOTHING RETURNING existing.name)
        SELECT coalesce(array_agg(new_names.name), '{}') INTO created FROM new_names;
        -- Not in the same statement: the insert may have waited for a transaction that
        -- forgot the resource, and its snapshot is from before that raised the floor.
        PERFORM FROM generate_series(1, cardinality(floors), 4) AS i JOIN floors AS stored ON stored.bucket = floors[i]
            WHERE stored.token > floors[i + 1] OR stored.version > floors[i + 2] OR stored.last_events > floors[i + 3];
        IF FOUND THEN
            RAISE EXCEPTION 'a floor is higher than assumed' USING ERRCODE = 'DLM02';
        END IF;
        WITH new_rows AS (
            INSERT INTO resources AS added (name, revision, version, token, touched_at, check_at, queue_len,
                holder_count, last_events, holder_principal, holder_key)
            SELECT names[written[i]], 1, written[i + 1], written[i + 2], written[i + 3], written[i + 4],
                written[i + 5], written[i + 6], coalesce(written[i + 7], next_number), holders[2 * n - 1], holders[2 * n]
            FROM generate_series(1, cardinality(written), 8) WITH ORDINALITY AS new (i, n)
            WHERE basis[2 * written[i] - 1] = 0 AND names[written[i]] = ANY (created)
            RETURNING added.name, added.ctid::text AS place)
        SELECT coalesce(array_agg(new_rows.name), '{}'), array_agg(new_rows.place)
            INTO created, created_at FROM new_rows;
        changes := changes + cardinality(created);
        held := held || ARRAY(
            SELECT asked.item FROM generate_subscripts(names, 1) AS asked (item)
            WHERE basis[2 * asked.item - 1] = 0 AND names[asked.item] = ANY (created));
    END IF;
    IF NOT locks_by_writing AND cardinality(held) < cardinality(names) THEN
        is_complete := FALSE;
        is_held := array_fill(FALSE, ARRAY[cardinality(names)]);
        FOREACH item IN ARRAY held LOOP
            is_held[item] := TRUE;
        END LOOP;
        omitted := ARRAY(
            SELECT asked.item FROM generate_subscripts(names, 1) AS asked (item) WHERE NOT is_held[asked.item]);
        IF must_mark = 0 AND cardinality(held) = 0 THEN
            is_valid := TRUE;
            RETURN;
        END IF;
    END IF;
    IF cardinality(written) > 0 THEN
        WITH changed AS (
            UPDATE resources SET revision = resources.revision + 1, version = written[i + 1], token = written[i + 2],
                touched_at = written[i + 3], check_at = written[i + 4], queue_len = written[i + 5],
                holder_count = written[i + 6], last_events = coalesce(written[i + 7], next_number),
                holder_principal = holders[2 * n - 1], holder_key = holders[2 * n]
            FROM generate_series(1, cardinality(written), 8) WITH ORDINALITY AS new (i, n)
            WHERE resources.ctid = coalesce(places[written[i]]::tid,
                    (SELECT ctid FROM resources AS named WHERE named.name = names[written[i]]))
                AND (resources.name = names[written[i]]) IS TRUE
                AND resources.revision = basis[2 * written[i] - 1] AND resources.version = basis[2 * written[i]]
                AND (is_complete OR is_held[written[i]])
            RETURNING written[i] AS item, resources.ctid::text AS place)
        SELECT array_agg(changed.item), array_agg(changed.place) INTO moved, moved_to FROM changed;
        changes := changes + coalesce(cardinality(moved), 0);
    END IF;
    IF cardinality(touched) > 0 THEN
        WITH changed AS (
            UPDATE resources SET revision = resources.revision + 1 FROM unnest(touched) AS new (item)
            WHERE resources.ctid = coalesce(places[new.item]::tid,
                    (SELECT ctid FROM resources AS named WHERE named.name = names[new.item]))
                AND (resources.name = names[new.item]) IS TRUE
                AND resources.revision = basis[2 * new.item - 1] AND resources.version = basis[2 * new.item]
                AND (is_complete OR is_held[new.item])
            RETURNING new.item, resources.ctid::text AS place)
        SELECT array_agg(changed.item), array_agg(changed.place) INTO touched_items, touched_places FROM changed;
        moved := moved || touched_items;
        moved_to := moved_to || touched_places;
        changes := changes + coalesce(cardinality(touched_items), 0);
    END IF;
    IF cardinality(rechecked) > 0 THEN
        UPDATE resource_names SET check_at = rechecked[i + 1], in_use = rechecked[i + 2] <> 0
        FROM generate_series(1, cardinality(rechecked), 3) AS i
        WHERE resource_names.ctid = (SELECT ctid FROM resource_names AS named WHERE named.name = names[rechecked[i]])
            AND (is_complete OR is_held[rechecked[i]]);
    END IF;
    IF locks_by_writing AND changes <> cardinality(names) THEN
        RAISE EXCEPTION 'a resource is not as assumed' USING ERRCODE = 'DLM03';
    END IF;
    -- Again, if a statement may have waited.
    IF locks_by_writing OR creates THEN
        clock := extract(epoch FROM clock_timestamp()) * 1000000;
        IF decided_at > clock OR decided_at < clock - 2000 AND (clock >= valid_until OR decided_at < clock - 50000) THEN
            RAISE EXCEPTION 'the batch was decided too long ago' USING ERRCODE = 'DLM02';
        END IF;
    END IF;
    IF must_mark = 0 AND NOT writes THEN
        is_valid := TRUE;
        RETURN;
    END IF;
    -- Only the call that the writer waits for finds the marker as it left it: one
    -- that was given up, and arrives later, does not.
    UPDATE writers SET batch = next_number, at = decided_at, left_out = omitted
        WHERE writers.ctid = coalesce(nullif(marker_place, '')::tid, (SELECT ctid FROM writers WHERE id = writer))
            AND (writers.id = writer) IS TRUE AND writers.batch = last_batch
        RETURNING writers.batch, writers.ctid INTO number, marked_place;
    IF number IS NULL THEN
        RAISE EXCEPTION 'the marker was changed' USING ERRCODE = 'DLM02';
    END IF;
    IF cardinality(inserted) > 0 THEN
        INSERT INTO claims (resource, principal, key, shared, ttl_asked_ms, wait_ms, owner, metadata, ticket, enqueued_at,
            deadline, replica, away_since, check_at, token, waited_ticket, granted_at, term_at, ttl_ms,
            expires_at, shared_token, ended_at, end_reason, current_token, forced_token, cancel)
        SELECT names[inserted[i]], inserted_texts[4 * n - 3], inserted_texts[4 * n - 2], inserted[i + 1] <> 0,
            inserted[i + 2], inserted[i + 3], inserted_texts[4 * n - 1], inserted_texts[4 * n],
            inserted[i + 4], inserted[i + 5], inserted[i + 6], inserted[i + 7], inserted[i + 8],
            inserted[i + 9], inserted[i + 10], inserted[i + 11], inserted[i + 12], inserted[i + 13],
            inserted[i + 14], inserted[i + 15], inserted[i + 16], inserted[i + 17], inserted[i + 18],
            inserted[i + 19], inserted[i + 20], inserted[i + 21]
        FROM generate_series(1, cardinality(inserted), 22) WITH ORDINALITY AS new (i, n)
        WHERE is_complete OR is_held[inserted[i]];
    END IF;
    IF cardinality(updated) > 0 THEN
        UPDATE claims SET ticket = updated[i + 1], enqueued_at = updated[i + 2], deadline = updated[i + 3],
            replica = updated[i + 4], away_since = updated[i + 5], check_at = updated[i + 6],
            token = updated[i + 7], waited_ticket = updated[i + 8], granted_at = updated[i + 9],
            term_at = updated[i + 10], ttl_ms = updated[i + 11], expires_at = updated[i + 12],
            shared_token = updated[i + 13], ended_at = updated[i + 14], end_reason = updated[i + 15],
            current_token = updated[i + 16], forced_token = updated[i + 17], cancel = updated[i + 18]
        FROM generate_series(1, cardinality(updated), 19) WITH ORDINALITY AS new (i, n)
        WHERE claims.key = updated_texts[2 * n] AND claims.resource = names[updated[i]]
            AND claims.principal = updated_texts[2 * n - 1] AND (is_complete OR is_held[updated[i]]);
        GET DIAGNOSTICS changes = ROW_COUNT;
        expected := cardinality(updated) / 19;
        IF NOT is_complete THEN
            SELECT count(*) INTO expected FROM generate_series(1, cardinality(updated), 19) AS i
                WHERE is_held[updated[i]];
        END IF;
        IF changes <> expected THEN
            RAISE EXCEPTION 'a claim is missing' USING ERRCODE = 'DLM02';
        END IF;
    END IF;
    IF is_complete THEN
        event_count := cardinality(events);
        event_list := array_to_string(events, ',');
    ELSE
        SELECT count(*), string_agg(events[i], ',' ORDER BY i) INTO event_count, event_list
            FROM generate_subscripts(events, 1) AS i WHERE is_held[logged[i]];
    END IF;
    IF event_count > 0 THEN
        INSERT INTO batch_events (batch, at, event_count, events, writer)
            VALUES (number, decided_at, event_count, '[' || event_list || ']', writer);
    END IF;
    is_valid := TRUE;
END $$;
