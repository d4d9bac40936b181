//! The server's metrics, in the Prometheus text formats.
//!
//! No label holds a resource name or a lease id: their number is unbounded, and
//! lease ids are secret.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dlm_protocol::EventKind;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::logging::lines_dropped;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    kind: KindLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    task: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabels {
    principal: String,
    quota: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    writer: u32,
    lane: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct KindLabel(EventKind);

impl EncodeLabelValue for KindLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// The protocol of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SocketProtocol {
    Session,
    Events,
}

impl EncodeLabelValue for SocketProtocol {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::Session => "session",
            Self::Events => "events",
        }
        .encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SocketLabels {
    protocol: SocketProtocol,
}

type Seconds = Counter<f64, AtomicU64>;

/// The server's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_duration: Histogram,
    requests_in_flight: Gauge<i64, AtomicI64>,
    connections: Gauge<i64, AtomicI64>,
    connections_refused: Counter,
    websocket_connections: Family<SocketLabels, Gauge<i64, AtomicI64>>,
    event_subscribers_evicted: Counter,
    batch_operations: Histogram,
    batch_duration: Histogram,
    commit_duration: Histogram,
    batches_retried: Counter,
    log_rows_skipped: Counter,
    writer_busy: Seconds,
    writer_queue_depth: Family<QueueLabels, Gauge<i64, AtomicI64>>,
    operations_refused: Counter,
    quota_exceeded: Family<QuotaLabels, Counter>,
    /// The labels that `quota_exceeded` has.
    quotas_seen: Mutex<HashSet<QuotaLabels>>,
    events: Family<EventLabels, Counter>,
    task_failures: Family<TaskLabels, Counter>,
    tls_loads: Family<ResultLabels, Counter>,
    tls_expiry: Gauge<f64, AtomicU64>,
    authentication_failures: Family<ReasonLabels, Counter>,
    auth_file_loads: Family<ResultLabels, Counter>,
    auth_file_loaded: Gauge<f64, AtomicU64>,
    insecure_no_auth: Gauge<i64, AtomicI64>,
    audit_records_lost: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Creates metrics that start at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        let mut metrics = Self {
            registry: Registry::with_prefix("dlm"),
            requests: Family::default(),
            request_duration: seconds(),
            requests_in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            websocket_connections: Family::default(),
            event_subscribers_evicted: Counter::default(),
            batch_operations: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            batch_duration: seconds(),
            commit_duration: seconds(),
            batches_retried: Counter::default(),
            log_rows_skipped: Counter::default(),
            writer_busy: Counter::default(),
            writer_queue_depth: Family::default(),
            operations_refused: Counter::default(),
            quota_exceeded: Family::default(),
            quotas_seen: Mutex::default(),
            events: Family::default(),
            task_failures: Family::default(),
            tls_loads: Family::default(),
            tls_expiry: Gauge::default(),
            authentication_failures: Family::default(),
            auth_file_loads: Family::default(),
            auth_file_loaded: Gauge::default(),
            insecure_no_auth: Gauge::default(),
            audit_records_lost: Counter::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&mut self) {
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
            "Open TCP connections, including those of WebSockets",
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
            "log_lines_dropped",
            "Log lines that could not be written, of the whole process",
            lines_dropped(),
        );
    }

    /// Encodes the metrics in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        classic(&self.open_metrics())
    }

    /// Encodes the metrics in the OpenMetrics text format.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        text
    }

    pub(crate) fn request_started(&self) {
        self.requests_in_flight.inc();
    }

    pub(crate) fn request_ended(&self) {
        self.requests_in_flight.dec();
    }

    pub(crate) fn request_answered(&self, operation: &'static str, status: u16, seconds: f64) {
        self.requests.get_or_create(&RequestLabels { operation, status: u32::from(status) }).inc();
        self.request_duration.observe(seconds);
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    pub(crate) fn socket_opened(&self, protocol: SocketProtocol) {
        self.websocket_connections.get_or_create(&SocketLabels { protocol }).inc();
    }

    pub(crate) fn socket_closed(&self, protocol: SocketProtocol) {
        self.websocket_connections.get_or_create(&SocketLabels { protocol }).dec();
    }

    pub(crate) fn subscriber_evicted(&self) {
        self.event_subscribers_evicted.inc();
    }

    pub(crate) fn batch(&self, operations: usize, seconds: f64, commit_seconds: f64) {
        self.batch_operations.observe(operations as f64);
        self.batch_duration.observe(seconds);
        self.commit_duration.observe(commit_seconds);
        self.writer_busy.inc_by(seconds);
    }

    pub(crate) fn batch_retried(&self) {
        self.batches_retried.inc();
    }

    pub(crate) fn log_row_skipped(&self) {
        self.log_rows_skipped.inc();
    }

    pub(crate) fn operation_refused(&self) {
        self.operations_refused.inc();
    }

    /// A request was refused because a quota of its principal is used up.
    pub(crate) fn quota_exceeded(&self, principal: &str, quota: &'static str) {
        let labels = QuotaLabels { principal: principal.to_owned(), quota };
        let mut seen = self.quotas_seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.quota_exceeded.get_or_create(&labels).inc();
        seen.insert(labels);
    }

    /// Forgets the refusals of principals that no longer exist.
    pub(crate) fn forget_quotas(&self, exists: impl Fn(&str) -> bool) {
        let mut seen = self.quotas_seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|labels| {
            let kept = exists(&labels.principal);
            if !kept {
                self.quota_exceeded.remove(labels);
            }
            kept
        });
    }

    /// How many operations a writer has left in its lanes.
    pub(crate) fn queue_depth(&self, writer: usize, urgent: usize, acquires: usize) {
        let writer = u32::try_from(writer).unwrap_or(u32::MAX);
        for (lane, length) in [("urgent", urgent), ("acquires", acquires)] {
            let depth = self.writer_queue_depth.get_or_create(&QueueLabels { writer, lane });
            depth.set(i64::try_from(length).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn task_failed(&self, task: &'static str) {
        self.task_failures.get_or_create(&TaskLabels { task }).inc();
    }

    /// The TLS files were read, and the certificate is in force.
    pub(crate) fn tls_loaded(&self, expires_at: SystemTime) {
        self.tls_loads.get_or_create(&ResultLabels { result: "ok" }).inc();
        self.tls_expiry.set(expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    }

    /// The TLS files have a mistake, or can't be read.
    pub(crate) fn tls_refused(&self) {
        self.tls_loads.get_or_create(&ResultLabels { result: "failed" }).inc();
    }

    pub(crate) fn authentication_failed(&self, reason: &'static str) {
        self.authentication_failures.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// The auth file was read, and its policy is in force.
    pub(crate) fn auth_loaded(&self, now: SystemTime) {
        self.auth_file_loads.get_or_create(&ResultLabels { result: "ok" }).inc();
        self.auth_file_loaded.set(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    }

    /// The auth file has a mistake, or can't be read.
    pub(crate) fn auth_refused(&self) {
        self.auth_file_loads.get_or_create(&ResultLabels { result: "failed" }).inc();
    }

    /// There is no authentication, and other machines can reach the server.
    pub(crate) fn no_authentication(&self) {
        self.insecure_no_auth.set(1);
    }

    /// Counts the audit records that could not be written.
    pub(crate) fn audit_records_lost(&self) -> Counter {
        self.audit_records_lost.clone()
    }

    pub(crate) fn events(&self, kind: EventKind) {
        self.events.get_or_create(&EventLabels { kind: KindLabel(kind) }).inc();
    }
}

/// Converts OpenMetrics text to the older format, which describes a counter under
/// the name of its samples and has no end marker.
fn classic(open: &str) -> String {
    let counter = |line| str::strip_prefix(line, "# TYPE ")?.strip_suffix(" counter");
    let counters: HashSet<&str> = open.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines().filter(|line| *line != "# EOF") {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match described.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(name) => {
                text.extend([&line[..line.len() - name.len() - rest.len() - 1], name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_format_describes_a_counter_under_the_name_of_its_samples() {
        let metrics = Metrics::new();
        metrics.request_answered("acquire", 200, 0.001);
        let text = metrics.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("dlm_requests_total")).collect();
        assert_eq!(
            lines,
            [
                "# HELP dlm_requests_total Requests that were answered, by operation and status.",
                "# TYPE dlm_requests_total counter",
                "dlm_requests_total{operation=\"acquire\",status=\"200\"} 1",
            ]
        );
        assert!(text.contains("# TYPE dlm_connections gauge\n"), "{text}");
        assert!(text.contains("# TYPE dlm_request_duration_seconds histogram\n"), "{text}");
        assert!(!text.contains("EOF"), "{text}");
        assert!(metrics.open_metrics().ends_with("# EOF\n"));
    }
}
