-- Tickets that open one WebSocket each, until then or until `expires_at`
-- (microseconds). `digest` is the SHA-256 of the ticket, `content` what it stands for.
CREATE TABLE tickets (
    digest     TEXT PRIMARY KEY NOT NULL,
    principal  TEXT NOT NULL,
    content    TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
