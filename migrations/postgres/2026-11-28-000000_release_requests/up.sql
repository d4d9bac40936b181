-- Requests to let go of a lease, by its token, each until the lease has ended. Instants are
-- microseconds of the deciding clock. `requested_by` is empty without authentication.
CREATE TABLE release_requests (
    resource     TEXT NOT NULL,
    token        BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    deadline     BIGINT NOT NULL,
    force        BOOLEAN NOT NULL,
    PRIMARY KEY (resource, token)
);
