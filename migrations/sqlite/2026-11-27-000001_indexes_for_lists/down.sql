DROP INDEX resources_held;
DROP INDEX resources_queued;
DROP INDEX claims_queue;
CREATE INDEX claims_queue ON claims (resource, ticket) WHERE ticket IS NOT NULL;
