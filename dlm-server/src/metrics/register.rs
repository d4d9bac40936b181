//! The names and descriptions of the metrics.

use super::Metrics;
use crate::logging::lines_dropped;

impl Metrics {
    /// Registers every metric, so that it is encoded.
    pub(super) fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests that were answered, by operation and status",
            self.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from the arrival of a request to its response",
            self.request_duration.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests that have no response yet",
            self.requests_in_flight.clone(),
        );
        registry.register(
            "connections",
            "Open connections, including those of WebSockets",
            self.connections.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that got no place, and could only probe the server",
            self.connections_refused.clone(),
        );
        registry.register(
            "websocket_connections",
            "Open WebSockets, by protocol",
            self.websocket_connections.clone(),
        );
        registry.register(
            "event_subscribers_evicted",
            "Subscribers to the event stream that were disconnected because they were too slow",
            self.event_subscribers_evicted.clone(),
        );
        registry.register(
            "log_rows_skipped",
            "Rows of the event log that were skipped because they are unreadable",
            self.log_rows_skipped.clone(),
        );
        registry.register("batch_operations", "Operations per transaction", self.batch_operations.clone());
        registry.register(
            "batch_duration_seconds",
            "Duration of a transaction, including its commit",
            self.batch_duration.clone(),
        );
        registry.register("commit_duration_seconds", "Duration of a commit", self.commit_duration.clone());
        registry.register("batches_retried", "Transactions that were retried", self.batches_retried.clone());
        registry.register(
            "writer_busy_seconds",
            "Time that writers spent in transactions",
            self.writer_busy.clone(),
        );
        registry.register(
            "writers",
            "Writers that execute operations: all, or one for all of them",
            self.writers.clone(),
        );
        registry.register(
            "writer_queue_depth",
            "Operations waiting for a writer, by writer and lane",
            self.writer_queue_depth.clone(),
        );
        registry.register(
            "operations_refused",
            "Operations that were refused because too many were waiting for their writer",
            self.operations_refused.clone(),
        );
        registry.register(
            "quota_exceeded",
            "Requests that were refused because a quota was used up, by principal and quota",
            self.quota_exceeded.clone(),
        );
        registry.register("events", "Events written to the log, by kind", self.events.clone());
        registry.register(
            "task_failures",
            "Failed attempts of background tasks, by task",
            self.task_failures.clone(),
        );
        registry.register(
            "tls_loads",
            "Attempts to read the TLS files, by result; after a failed one the certificate before stays in force",
            self.tls_loads.clone(),
        );
        registry.register(
            "tls_certificate_expiry_timestamp_seconds",
            "When the server's certificate expires, in seconds since 1970; 0 without TLS",
            self.tls_expiry.clone(),
        );
        registry.register(
            "authentication_failures",
            "Requests without a valid credential, by reason",
            self.authentication_failures.clone(),
        );
        registry.register(
            "auth_file_loads",
            "Attempts to read the auth file, by result; after a failed one the policy before stays in force",
            self.auth_file_loads.clone(),
        );
        registry.register(
            "auth_file_loaded_timestamp_seconds",
            "When the auth file was last read without a mistake, in seconds since 1970; 0 without an auth file",
            self.auth_file_loaded.clone(),
        );
        registry.register(
            "insecure_no_auth",
            "1 if everyone who can reach the server may do everything",
            self.insecure_no_auth.clone(),
        );
        registry.register(
            "audit_records_lost",
            "Audit records that could not be written",
            self.audit_records_lost.clone(),
        );
        registry.register(
            "possible_deadlocks",
            "Cycles of holders that wait for each other, in the whole database",
            self.possible_deadlocks.clone(),
        );
        registry.register(
            "webhook_messages",
            "Messages of the webhook that were sent, and attempts that were retried, failed for good, or dropped",
            self.webhook_messages.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines that could not be written, of the whole process",
            lines_dropped(),
        );
    }
}
