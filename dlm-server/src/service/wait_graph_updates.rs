//! The wait-for graph for a subscriber.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::time::Duration;

use dlm_protocol::limits::DEFAULT_PAGE;
use dlm_protocol::{EventMessage, LiveWaitGraph, WaitGraph};
use futures_util::{Stream, stream};

use super::Service;
use super::access::View;

/// Time from one look to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// Messages with the graph: the first one, and each that differs from the one before, in JSON format.
pub(crate) type WaitGraphUpdates = Pin<Box<dyn Stream<Item = String> + Send>>;

impl Service {
    /// The wait-for graphs for one subscriber. A failure to compute one delays it.
    pub(super) fn wait_graph_updates(self, view: View) -> WaitGraphUpdates {
        let looks = stream::unfold((self, view, None, Duration::ZERO), |state| async move {
            let (service, view, mut last, pause) = state;
            tokio::time::sleep(pause).await;
            let read = service.first_of_wait_graph(view.clone(), DEFAULT_PAGE).await;
            let message = read.ok().and_then(|graph| changed(graph, &mut last));
            Some((message, (service, view, last, INTERVAL)))
        });
        Box::pin(futures_util::StreamExt::filter_map(looks, std::future::ready))
    }
}

/// The message with the graph unless the last one was equal. Of that only a hash is kept: a graph may be large.
fn changed(graph: WaitGraph, last: &mut Option<u64>) -> Option<String> {
    let content = (graph.complete, &graph.locks, &graph.possible_deadlocks);
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(&content).ok()?.hash(&mut hasher);
    let hash = hasher.finish();
    if last.replace(hash) == Some(hash) {
        return None;
    }
    let message = EventMessage::WaitGraph(Box::new(LiveWaitGraph { wait_graph: graph }));
    serde_json::to_string(&message).ok()
}

#[cfg(test)]
mod tests {
    use dlm_protocol::Timestamp;

    use super::*;

    #[test]
    fn a_graph_is_sent_again_when_more_than_its_instant_has_changed() {
        let graph = |at, complete| WaitGraph {
            at: Timestamp::from_micros(at),
            complete,
            locks: Vec::new(),
            possible_deadlocks: Vec::new(),
        };
        let mut last = None;
        let first = changed(graph(0, true), &mut last);
        assert_eq!(
            first.as_deref(),
            Some(
                r#"{"type":"wait_graph","wait_graph":{"at":"1970-01-01T00:00:00.000Z","complete":true,"locks":[],"possible_deadlocks":[]}}"#
            )
        );
        assert_eq!(changed(graph(1_000, true), &mut last), None);
        assert!(changed(graph(2_000, false), &mut last).is_some());
        assert!(changed(graph(3_000, true), &mut last).is_some());
    }
}
