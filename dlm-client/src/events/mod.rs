//! What happens to locks, as a stream.

mod reading;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dlm_protocol::{Event, Renewal, ResourceName};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::error::Error;
use reading::Reading;

/// Items that wait for their reader; then no more are read from the server.
const WAITING: usize = 256;

/// What a stream of events yields; see [`Client::events`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventItem {
    /// Something happened.
    Event(Box<Event>),
    /// All that had happened has been told; what follows happens from now on.
    Synced,
    /// A lease began a new term. Only where asked for, and only while the
    /// stream is connected.
    Renewed(Renewal),
    /// The log does not reach back to where the stream was, or is another one:
    /// something was missed. The stream goes on from now.
    CursorLost,
}

/// A stream of events, from [`Client::events`].
///
/// It connects when it is first polled, reconnects by itself, to another server
/// if need be, and goes on where it was: each event comes once. Items are read
/// from the server only as fast as they are taken from the stream.
///
/// # Cancel safety
///
/// Dropping what waits for the next item loses nothing.
#[must_use = "nothing is asked before the stream is polled"]
pub struct Events {
    client: Client,
    filter: Filter,
    cursor: Option<String>,
    items: Option<mpsc::Receiver<Told>>,
    ended: bool,
}

#[derive(Debug, Clone, Default)]
struct Filter {
    prefix: String,
    resource: Option<ResourceName>,
    renewals: bool,
}

/// An item, and where to resume behind it. A bookmark is a place alone.
struct Told {
    item: Option<Result<EventItem, Error>>,
    cursor: Option<String>,
}

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, filter: Filter::default(), cursor: None, items: None, ended: false }
    }

    /// Only those of resources whose name begins so.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let mut events = client.events().prefix("orders/").renewals(true);
    /// println!("{:?}", events.next().await.transpose()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.filter.prefix = prefix.into();
        self
    }

    /// Only those of this resource.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) for a bad name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let mut events = client.events().resource("orders/42")?;
    /// println!("{:?}", events.next().await.transpose()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resource(mut self, name: impl AsRef<str>) -> Result<Self, Error> {
        self.filter.resource = Some(ResourceName::try_from(name.as_ref())?);
        Ok(self)
    }

    /// Renewals as well, or not, which is the default; the example is that of
    /// [`prefix`](Self::prefix).
    pub fn renewals(mut self, renewals: bool) -> Self {
        self.filter.renewals = renewals;
        self
    }

    /// From this [`cursor`](Self::cursor) on, rather than from now on.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// # let (read, store) = (|| String::new(), |_: &str| {});
    /// let mut events = client.events().after(read());
    /// while let Some(item) = events.next().await {
    ///     println!("{:?}", item?);
    ///     // A program that is started again goes on behind what it has seen.
    ///     events.cursor().map(store);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Where to resume behind the last item that was yielded; `None` before the
    /// first. It is good for every server of the service, and for
    /// [`after`](Self::after), where the example is.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next item; `None` after an error, which ends the stream. The same as
    /// the method of `futures::StreamExt`, for programs that have no other use
    /// for it.
    ///
    /// # Errors
    ///
    /// [`is_closed`](Error::is_closed), and what no repeat will help:
    /// [`is_invalid`](Error::is_invalid), an answer that is not of a dlm server.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let mut events = client.events();
    /// while let Some(item) = events.next().await {
    ///     println!("{:?}", item?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<EventItem, Error>> {
        let span = debug_span!("next_event", prefix = self.filter.prefix, resource = ?self.filter.resource);
        StreamExt::next(self).instrument(span).await
    }

    fn start(&self) -> mpsc::Receiver<Told> {
        let (tell, items) = mpsc::channel(WAITING);
        let shared = Arc::clone(&self.client.handle.shared);
        let span = debug_span!("events", prefix = self.filter.prefix, resource = ?self.filter.resource);
        let reading = Reading { shared, filter: self.filter.clone(), cursor: self.cursor.clone(), tell };
        self.client.handle.accompany(reading.run().instrument(span));
        items
    }
}

impl Stream for Events {
    type Item = Result<EventItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.items.is_none() {
            self.items = Some(self.start());
        }
        loop {
            let Some(items) = &mut self.items else { return Poll::Ready(None) };
            let told = match items.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(told)) => told,
                Poll::Ready(None) => Told { item: Some(Err(Error::closed())), cursor: None },
            };
            if told.cursor.is_some() {
                self.cursor = told.cursor;
            }
            if let Some(item) = told.item {
                self.ended = item.is_err();
                return Poll::Ready(Some(item));
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("filter", &self.filter)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
