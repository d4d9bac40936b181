-- Lists of held and of contended resources, and their totals, read these indexes instead
-- of all resources.
CREATE INDEX resources_held ON resources (name, holder_count) WHERE holder_count > 0;
CREATE INDEX resources_queued ON resources (name, queue_len) WHERE queue_len > 0;

-- The overview reads when a waiter was enqueued, without its row.
DROP INDEX claims_queue;
CREATE INDEX claims_queue ON claims (resource, ticket, enqueued_at) WHERE ticket IS NOT NULL;
