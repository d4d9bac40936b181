DROP FUNCTION commit_batch_2;
CREATE TABLE unplaced (
    batch BIGINT PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
INSERT INTO unplaced (batch) SELECT batch_events.batch FROM batch_events JOIN placed USING (writer)
    WHERE batch_events.batch > placed.batch;
DROP TABLE placed;
ALTER TABLE batch_events ALTER COLUMN events SET COMPRESSION default;
ALTER TABLE batch_events DROP COLUMN writer;
CREATE FUNCTION commit_batch_1(
    decided_at BIGINT, writer BIGINT, last_batch BIGINT, must_mark BIGINT,
    names TEXT[], revisions BIGINT[], versions BIGINT[],
    buckets BIGINT[], floor_tokens BIGINT[], floor_versions BIGINT[],
    written BIGINT[], written_version BIGINT[], written_token BIGINT[], written_touched_at BIGINT[],
    written_check_at BIGINT[], written_queue_len BIGINT[], written_holder_count BIGINT[],
    written_holder_principal TEXT[], written_holder_key TEXT[],
    touched BIGINT[],
    inserted BIGINT[], inserted_principal TEXT[], inserted_key TEXT[], inserted_shared BIGINT[],
    inserted_ttl_asked_ms BIGINT[], inserted_wait_ms BIGINT[], inserted_owner TEXT[],
    inserted_metadata TEXT[], inserted_ticket BIGINT[], inserted_enqueued_at BIGINT[],
    inserted_deadline BIGINT[], inserted_replica BIGINT[], inserted_away_since BIGINT[],
    inserted_check_at BIGINT[], inserted_token BIGINT[], inserted_waited_ticket BIGINT[],
    inserted_granted_at BIGINT[], inserted_term_at BIGINT[], inserted_ttl_ms BIGINT[],
    inserted_expires_at BIGINT[], inserted_shared_token BIGINT[], inserted_ended_at BIGINT[],
    inserted_end_reason BIGINT[], inserted_current_token BIGINT[], inserted_forced_token BIGINT[],
    inserted_cancel BIGINT[],
    updated BIGINT[], updated_principal TEXT[], updated_key TEXT[], updated_ticket BIGINT[], updated_enqueued_at BIGINT[],
    updated_deadline BIGINT[], updated_replica BIGINT[], updated_away_since BIGINT[],
    updated_check_at BIGINT[], updated_token BIGINT[], updated_waited_ticket BIGINT[],
    updated_granted_at BIGINT[], updated_term_at BIGINT[], updated_ttl_ms BIGINT[],
    updated_expires_at BIGINT[], updated_shared_token BIGINT[], updated_ended_at BIGINT[],
    updated_end_reason BIGINT[], updated_current_token BIGINT[], updated_forced_token BIGINT[],
    updated_cancel BIGINT[],
    logged BIGINT[], logged_events TEXT[],
    OUT clock BIGINT, OUT number BIGINT, OUT is_valid BOOLEAN, OUT omitted BIGINT[], OUT is_replicated BOOLEAN
) LANGUAGE plpgsql AS $$
DECLARE
    creates CONSTANT BOOLEAN := cardinality(buckets) > 0;
    held BIGINT[];
    created TEXT[];
    is_complete BOOLEAN;
    is_held BOOLEAN[];
    item BIGINT;
    changes BIGINT;
BEGIN
    is_valid := FALSE;
    is_replicated := current_setting('synchronous_standby_names') <> '';
    -- Lock the rows that are as the batch knows them. A row that another server has locked is
    -- not waited for.
    SELECT coalesce(array_agg(locked.item), '{}') INTO held FROM (
        SELECT asked.item FROM unnest(names, revisions, versions) WITH ORDINALITY AS asked (name, revision, version, item)
        JOIN resources ON resources.name = asked.name AND resources.revision = asked.revision
            AND resources.version = asked.version
        FOR UPDATE OF resources SKIP LOCKED) AS locked;
    -- The decisions must not be from the future, so that nothing has expired early, and not from
    -- the past, so that nothing is revived.
    clock := extract(epoch FROM clock_timestamp()) * 1000000;
    IF decided_at > clock OR decided_at < clock - 2000 THEN
        RETURN;
    END IF;
    IF creates THEN
        -- A row that another server is changing is not waited for; one that it has just inserted is.
        WITH new_rows AS (
            INSERT INTO resources AS existing (name, revision, version, token, touched_at, check_at, queue_len, holder_count, holder_principal, holder_key)
            SELECT names[new.item], 1, new.version, new.token, new.touched_at, new.check_at, new.queue_len, new.holder_count,
                new.holder_principal, new.holder_key
            FROM unnest(written, written_version, written_token, written_touched_at, written_check_at, written_queue_len,
                written_holder_count, written_holder_principal, written_holder_key)
                AS new (item, version, token, touched_at, check_at, queue_len, holder_count, holder_principal,
                    holder_key)
            WHERE revisions[new.item] = 0
                AND NOT EXISTS (SELECT FROM resources WHERE resources.name = names[new.item])
            ON CONFLICT DO NOTHING RETURNING existing.name)
        SELECT coalesce(array_agg(new_rows.name), '{}') INTO created FROM new_rows;
        -- Not in the same statement: the insert may have waited for a transaction that
        -- forgot the resource, and its snapshot is from before that raised the floor.
        PERFORM FROM unnest(buckets, floor_tokens, floor_versions) AS assumed (bucket, token, version)
            JOIN floors ON floors.bucket = assumed.bucket
            WHERE floors.token > assumed.token OR floors.version > assumed.version;
        IF FOUND THEN
            RAISE EXCEPTION 'a floor is higher than assumed' USING ERRCODE = 'DLM02';
        END IF;
        held := held || ARRAY(
            SELECT new.item FROM unnest(written) AS new (item)
            WHERE revisions[new.item] = 0 AND names[new.item] = ANY (created));
        -- Again, since the insert may have waited.
        clock := extract(epoch FROM clock_timestamp()) * 1000000;
        IF decided_at > clock OR decided_at < clock - 2000 THEN
            RAISE EXCEPTION 'the batch was decided too long ago' USING ERRCODE = 'DLM02';
        END IF;
    END IF;
    is_complete := cardinality(held) = cardinality(names);
    IF NOT is_complete THEN
        is_held := array_fill(FALSE, ARRAY[cardinality(names)]);
        FOREACH item IN ARRAY held LOOP
            is_held[item] := TRUE;
        END LOOP;
        omitted := ARRAY(SELECT asked.item FROM generate_subscripts(names, 1) AS asked (item) WHERE NOT is_held[asked.item]);
    END IF;
    IF must_mark = 0 AND (cardinality(held) = 0 OR cardinality(written || touched) = 0) THEN
        is_valid := TRUE;
        RETURN;
    END IF;
    -- The number is taken while the rows are locked, so that it grows with each commit on a
    -- resource. Only the call that the writer waits for finds the marker as it left it: one
    -- that was given up, and arrives later, does not.
    UPDATE writers SET batch = nextval('batches'), at = decided_at, left_out = omitted
        WHERE writers.id = writer AND writers.batch = last_batch RETURNING writers.batch INTO number;
    IF number IS NULL THEN
        IF creates THEN
            RAISE EXCEPTION 'the marker was changed' USING ERRCODE = 'DLM02';
        END IF;
        RETURN;
    END IF;
    is_valid := TRUE;
    IF cardinality(written) > 0 THEN
        UPDATE resources SET revision = resources.revision + 1, version = new.version, token = new.token, touched_at = new.touched_at, check_at = new.check_at,
            queue_len = new.queue_len, holder_count = new.holder_count, holder_principal =
            new.holder_principal, holder_key = new.holder_key
        FROM unnest(written, written_version, written_token, written_touched_at, written_check_at, written_queue_len,
            written_holder_count, written_holder_principal, written_holder_key)
            AS new (item, version, token, touched_at, check_at, queue_len, holder_count, holder_principal, holder_key)
        WHERE resources.name = names[new.item] AND revisions[new.item] > 0 AND (is_complete OR is_held[new.item]);
    END IF;
    IF cardinality(touched) > 0 THEN
        UPDATE resources SET revision = resources.revision + 1 FROM unnest(touched) AS new (item)
        WHERE resources.name = names[new.item] AND (is_complete OR is_held[new.item]);
    END IF;
    IF cardinality(inserted) > 0 THEN
        INSERT INTO claims (resource, principal, key, shared, ttl_asked_ms, wait_ms, owner, metadata, ticket, enqueued_at, deadline,
            replica, away_since, check_at, token, waited_ticket, granted_at, term_at, ttl_ms, expires_at,
            shared_token, ended_at, end_reason, current_token, forced_token, cancel)
        SELECT names[new.item], new.principal, new.key, new.shared <> 0, new.ttl_asked_ms, new.wait_ms, new.owner, new.metadata,
            new.ticket, new.enqueued_at, new.deadline, new.replica, new.away_since, new.check_at, new.token,
            new.waited_ticket, new.granted_at, new.term_at, new.ttl_ms, new.expires_at, new.shared_token,
            new.ended_at, new.end_reason, new.current_token, new.forced_token, new.cancel
        FROM unnest(inserted, inserted_principal, inserted_key, inserted_shared, inserted_ttl_asked_ms, inserted_wait_ms,
            inserted_owner, inserted_metadata, inserted_ticket, inserted_enqueued_at, inserted_deadline,
            inserted_replica, inserted_away_since, inserted_check_at, inserted_token,
            inserted_waited_ticket, inserted_granted_at, inserted_term_at, inserted_ttl_ms,
            inserted_expires_at, inserted_shared_token, inserted_ended_at, inserted_end_reason,
            inserted_current_token, inserted_forced_token, inserted_cancel)
            AS new (item, principal, key, shared, ttl_asked_ms, wait_ms, owner, metadata, ticket, enqueued_at,
                deadline, replica, away_since, check_at, token, waited_ticket, granted_at, term_at, ttl_ms,
                expires_at, shared_token, ended_at, end_reason, current_token, forced_token, cancel)
        WHERE is_complete OR is_held[new.item];
    END IF;
    IF cardinality(updated) > 0 THEN
        UPDATE claims SET ticket = new.ticket, enqueued_at = new.enqueued_at, deadline = new.deadline, replica =
            new.replica, away_since = new.away_since, check_at = new.check_at, token = new.token,
            waited_ticket = new.waited_ticket, granted_at = new.granted_at, term_at = new.term_at, ttl_ms =
            new.ttl_ms, expires_at = new.expires_at, shared_token = new.shared_token, ended_at =
            new.ended_at, end_reason = new.end_reason, current_token = new.current_token, forced_token =
            new.forced_token, cancel = new.cancel
        FROM unnest(updated, updated_principal, updated_key, updated_ticket, updated_enqueued_at, updated_deadline,
            updated_replica, updated_away_since, updated_check_at, updated_token, updated_waited_ticket,
            updated_granted_at, updated_term_at, updated_ttl_ms, updated_expires_at, updated_shared_token,
            updated_ended_at, updated_end_reason, updated_current_token, updated_forced_token,
            updated_cancel)
            AS new (item, principal, key, ticket, enqueued_at, deadline, replica, away_since, check_at, token,
                waited_ticket, granted_at, term_at, ttl_ms, expires_at, shared_token, ended_at, end_reason,
                current_token, forced_token, cancel)
        WHERE claims.key = new.key AND claims.resource = names[new.item] AND claims.principal = new.principal
            AND (is_complete OR is_held[new.item]);
        GET DIAGNOSTICS changes = ROW_COUNT;
        IF changes <> (SELECT count(*) FROM unnest(updated) AS new (item) WHERE is_complete OR is_held[new.item]) THEN
            RAISE EXCEPTION 'a claim is missing' USING ERRCODE = 'DLM02';
        END IF;
    END IF;
    IF cardinality(logged) > 0 THEN
        INSERT INTO batch_events (batch, at, count, events)
        SELECT number, decided_at, count(*), '[' || string_agg(new.event, ',' ORDER BY new.place) || ']'
        FROM unnest(logged, logged_events) WITH ORDINALITY AS new (item, event, place)
        WHERE is_complete OR is_held[new.item] HAVING count(*) > 0;
        IF FOUND THEN
            INSERT INTO unplaced (batch) VALUES (number);
        END IF;
    END IF;
END $$;
