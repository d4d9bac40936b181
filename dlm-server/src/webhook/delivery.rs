//! Sends the messages of a webhook, one after the other.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use super::Webhook;
use crate::clock::since_boot;
use crate::metrics::Metrics;

/// The header with the signature.
const SIGNATURE: &str = "dlm-signature";
/// How many messages wait to be sent.
const MAX_QUEUED: usize = 256;
/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// After this time a message is given up: those behind it wait.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15 * 60);

/// Takes messages to send, and never waits.
#[derive(Debug)]
pub(crate) struct WebhookQueue {
    messages: mpsc::Sender<Vec<u8>>,
    metrics: Arc<Metrics>,
}

impl WebhookQueue {
    /// Enqueues a JSON document. It is given back if too many are queued.
    pub(crate) fn push(&self, message: Vec<u8>) -> Result<(), Vec<u8>> {
        self.messages.try_send(message).map_err(TrySendError::into_inner)
    }

    /// Counts messages that are not sent.
    pub(crate) fn drop(&self, messages: usize) {
        for _ in 0..messages {
            self.metrics.webhook_message("dropped");
        }
        if messages > 0 {
            tracing::warn!(messages, "webhook messages dropped: too many are queued");
        }
    }
}

/// The other end of a [`WebhookQueue`].
#[derive(Debug)]
pub(crate) struct Delivery {
    webhook: Webhook,
    messages: mpsc::Receiver<Vec<u8>>,
}

impl Delivery {
    pub(crate) fn new(webhook: Webhook) -> (WebhookQueue, Self) {
        let (sender, messages) = mpsc::channel(MAX_QUEUED);
        let queue = WebhookQueue { messages: sender, metrics: Arc::clone(&webhook.metrics) };
        (queue, Self { webhook, messages })
    }

    /// Sends what is enqueued until `stop` is cancelled. What is not sent by then is lost.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let sending = async {
            while let Some(message) = self.messages.recv().await {
                self.webhook.send(message).await;
            }
        };
        stop.run_until_cancelled(sending).await;
    }
}

impl Webhook {
    /// Sends a message, with retries.
    async fn send(&self, body: Vec<u8>) {
        let (began, signature) = (since_boot(), self.signature(&body));
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(why) = self.post(body.clone(), &signature).await else {
                return self.metrics.webhook_message("sent");
            };
            if since_boot().saturating_sub(began) > GIVE_UP_AFTER {
                tracing::warn!(why, "webhook message given up");
                return self.metrics.webhook_message("failed");
            }
            self.metrics.webhook_message("retried");
            tracing::debug!(why, "webhook message not accepted, retrying");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn post(&self, body: Vec<u8>, signature: &str) -> Result<(), String> {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        let response = request.header(SIGNATURE, signature).body(body).send().await;
        // Its text would have the URL.
        let response = response.map_err(|error| format!("{:?}", error.without_url()))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("status {status}")),
        }
    }
}
