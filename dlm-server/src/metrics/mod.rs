//! The server's metrics, in the Prometheus text formats.
//!
//! No label holds a resource name or a lease id: their number is unbounded, and
//! lease ids are secret.

mod labels;
mod register;
mod text;

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dlm_protocol::EventKind;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use labels::{
    EventLabels, KindLabel, QueueLabels, QuotaLabels, ReasonLabels, RequestLabels, ResultLabels,
    SocketLabels, TaskLabels,
};
use text::classic;

pub(crate) use labels::SocketProtocol;

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
    writers: Gauge<i64, AtomicI64>,
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
    possible_deadlocks: Gauge<i64, AtomicI64>,
    webhook_messages: Family<ResultLabels, Counter>,
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
            writers: Gauge::default(),
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
            possible_deadlocks: Gauge::default(),
            webhook_messages: Family::default(),
        };
        metrics.register();
        Arc::new(metrics)
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

    /// How many writers execute operations.
    pub(crate) fn writers(&self, count: usize) {
        self.writers.set(i64::try_from(count).unwrap_or(i64::MAX));
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

    /// A message of the webhook was `sent`, `retried`, `failed` or `dropped`.
    pub(crate) fn webhook_message(&self, result: &'static str) {
        self.webhook_messages.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts the audit records that could not be written.
    pub(crate) fn audit_records_lost(&self) -> Counter {
        self.audit_records_lost.clone()
    }

    /// How many possible deadlocks there are.
    pub(crate) fn possible_deadlocks(&self, number: usize) {
        self.possible_deadlocks.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    pub(crate) fn events(&self, kind: EventKind) {
        self.events.get_or_create(&EventLabels { kind: KindLabel(kind) }).inc();
    }
}
