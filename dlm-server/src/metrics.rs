//! What the server counts, as Prometheus text. Never a resource's name or a
//! lease id: neither is bounded, and the second is a secret.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use dlm_protocol::EventKind;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    kind: KindLabel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct KindLabel(EventKind);

impl EncodeLabelValue for KindLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// What is spoken over a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum SocketKind {
    Session,
    Events,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SocketLabels {
    kind: SocketKind,
}

type Seconds = Counter<f64, AtomicU64>;

/// The server's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histogram,
    in_flight: Gauge<i64, AtomicI64>,
    connections: Gauge<i64, AtomicI64>,
    sockets: Family<SocketLabels, Gauge<i64, AtomicI64>>,
    readers_cut_off: Counter,
    batch_operations: Histogram,
    batch_seconds: Histogram,
    commit_seconds: Histogram,
    batches_retried: Counter,
    writer_busy_seconds: Seconds,
    queue_depth: Gauge<i64, AtomicI64>,
    events: Family<EventLabels, Counter>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics that begin at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        let mut metrics = Self {
            registry: Registry::with_prefix("dlm"),
            requests: Family::default(),
            request_seconds: seconds(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            sockets: Family::default(),
            readers_cut_off: Counter::default(),
            batch_operations: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            batch_seconds: seconds(),
            commit_seconds: seconds(),
            batches_retried: Counter::default(),
            writer_busy_seconds: Counter::default(),
            queue_depth: Gauge::default(),
            events: Family::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered, by operation and status", self.requests.clone());
        registry.register(
            "request_seconds",
            "Time from a request to its answer",
            self.request_seconds.clone(),
        );
        registry.register("requests_in_flight", "Requests not answered yet", self.in_flight.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("sockets", "Open WebSockets, by what is spoken over them", self.sockets.clone());
        registry.register(
            "readers_cut_off",
            "Readers of the event stream that were too slow",
            self.readers_cut_off.clone(),
        );
        registry.register("batch_operations", "Operations in one transaction", self.batch_operations.clone());
        registry.register("batch_seconds", "Time of one transaction", self.batch_seconds.clone());
        registry.register("commit_seconds", "Time of one commit", self.commit_seconds.clone());
        registry.register(
            "batches_retried",
            "Transactions that were run again",
            self.batches_retried.clone(),
        );
        registry.register(
            "writer_busy_seconds",
            "Time in which the writer ran transactions",
            self.writer_busy_seconds.clone(),
        );
        registry.register("queue_depth", "Operations waiting for the writer", self.queue_depth.clone());
        registry.register("events", "Events of the log, by kind", self.events.clone());
    }

    /// All of it as Prometheus text, version 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        classic(&self.open_metrics())
    }

    /// All of it as OpenMetrics text.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics can't be written");
        }
        text
    }

    pub(crate) fn request_started(&self) {
        self.in_flight.inc();
    }

    pub(crate) fn request_ended(&self) {
        self.in_flight.dec();
    }

    pub(crate) fn request_answered(&self, operation: &'static str, status: u16, seconds: f64) {
        self.requests.get_or_create(&RequestLabels { operation, status: u32::from(status) }).inc();
        self.request_seconds.observe(seconds);
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn socket_opened(&self, kind: SocketKind) {
        self.sockets.get_or_create(&SocketLabels { kind }).inc();
    }

    pub(crate) fn socket_closed(&self, kind: SocketKind) {
        self.sockets.get_or_create(&SocketLabels { kind }).dec();
    }

    pub(crate) fn reader_cut_off(&self) {
        self.readers_cut_off.inc();
    }

    pub(crate) fn batch(&self, operations: usize, seconds: f64, commit_seconds: f64) {
        self.batch_operations.observe(operations as f64);
        self.batch_seconds.observe(seconds);
        self.commit_seconds.observe(commit_seconds);
        self.writer_busy_seconds.inc_by(seconds);
    }

    pub(crate) fn batch_retried(&self) {
        self.batches_retried.inc();
    }

    pub(crate) fn queue_depth(&self, operations: usize) {
        self.queue_depth.set(i64::try_from(operations).unwrap_or(i64::MAX));
    }

    pub(crate) fn events(&self, kind: EventKind) {
        self.events.get_or_create(&EventLabels { kind: KindLabel(kind) }).inc();
    }
}

/// OpenMetrics in the older format, where a counter is described under the name
/// of its samples and nothing marks the end.
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
    fn the_older_format_describes_counters_under_the_name_of_their_samples() {
        let metrics = Metrics::new();
        metrics.request_answered("acquire", 200, 0.001);
        let text = metrics.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("dlm_requests_total")).collect();
        assert_eq!(
            lines,
            [
                "# HELP dlm_requests_total Requests answered, by operation and status.",
                "# TYPE dlm_requests_total counter",
                "dlm_requests_total{operation=\"acquire\",status=\"200\"} 1",
            ]
        );
        assert!(text.contains("# TYPE dlm_connections gauge\n"), "{text}");
        assert!(text.contains("# TYPE dlm_request_seconds histogram\n"), "{text}");
        assert!(!text.contains("EOF"), "{text}");
        assert!(metrics.open_metrics().ends_with("# EOF\n"));
    }
}
