//! How an operation ended, recorded once in its span.

use std::future::Future;

use tracing::{Instrument, Span};

use crate::error::Error;

/// Records the outcome in a span: once, also if the operation is dropped before it ends.
pub(crate) struct OutcomeRecorder(Option<Span>);

impl OutcomeRecorder {
    pub(crate) fn new(span: &Span) -> Self {
        Self(Some(span.clone()))
    }

    pub(crate) fn record(mut self, outcome: &'static str) {
        if let Some(span) = self.0.take() {
            span.record("outcome", outcome);
        }
    }
}

impl Drop for OutcomeRecorder {
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            span.record("outcome", "cancelled");
        }
    }
}

/// Runs an operation in its span, and records how it ended: `success`, or the kind of its error.
pub(crate) async fn record<T>(
    span: Span,
    success: &'static str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let recorder = OutcomeRecorder::new(&span);
    let result = operation.instrument(span).await;
    recorder.record(result.as_ref().map_or_else(Error::outcome, |_| success));
    result
}
