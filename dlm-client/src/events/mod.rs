//! Lock events, as a stream.

mod item;
mod reader;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dlm_protocol::ResourceName;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tracing::{Instrument, debug_span};

pub use self::item::EventItem;
use self::item::{EventSelection, ReceivedItem};
use self::reader::EventReader;
use crate::error::Error;
use crate::worker::Handle;

/// The most items that are read ahead of the stream's consumer.
const READ_AHEAD: usize = 256;

/// A stream of lock events, created by [`Client::events`](crate::Client::events).
///
/// The stream connects when it is first polled. It reconnects automatically, to
/// another server if necessary, and resumes where it was: each event is yielded
/// exactly once. Items are read from the server only as fast as they are consumed.
///
/// # Cancel safety
///
/// Dropping the future of [`next`](Self::next) loses no item.
#[must_use = "the stream does not connect before it is polled"]
pub struct Events {
    handle: Handle,
    selection: EventSelection,
    cursor: Option<String>,
    items: Option<mpsc::Receiver<ReceivedItem>>,
    /// The first error in the selection.
    invalid: Option<Error>,
    ended: bool,
}

impl Events {
    pub(crate) fn new(handle: Handle) -> Self {
        let selection = EventSelection::default();
        Self { handle, selection, cursor: None, items: None, invalid: None, ended: false }
    }

    /// Selects resources whose name starts with `prefix`.
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
        self.selection.prefix = prefix.into();
        self
    }

    /// Selects one resource. If the name is invalid, the first item is an error for which
    /// [`is_invalid`](Error::is_invalid) holds.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let mut events = client.events().resource("orders/42");
    /// println!("{:?}", events.next().await.transpose()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resource(mut self, name: impl AsRef<str>) -> Self {
        match ResourceName::try_from(name.as_ref()) {
            Ok(name) => self.selection.resource = Some(name),
            Err(invalid) => self.invalid = self.invalid.or(Some(invalid.into())),
        }
        self
    }

    /// Whether to include renewals as [`EventItem::Renewed`]; `false` by default.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use dlm_client::EventItem;
    ///
    /// let mut events = client.events().prefix("orders/").renewals(true);
    /// while let Some(item) = events.next().await {
    ///     if let EventItem::Renewed(renewal) = item? {
    ///         println!("{} is held until {}", renewal.resource, renewal.expires_at);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn renewals(mut self, renewals: bool) -> Self {
        self.selection.renewals = renewals;
        self
    }

    /// Starts after this [`cursor`](Self::cursor). By default the stream starts now.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// # let (read, store) = (|| String::new(), |_: &str| {});
    /// let mut events = client.events().after(read());
    /// while let Some(item) = events.next().await {
    ///     println!("{:?}", item?);
    ///     // A restarted program resumes after the last event it has seen.
    ///     events.cursor().map(store);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// The position after the last yielded item, to pass to
    /// [`after`](Self::after) later; `None` before the first item. The cursor is valid
    /// at every server of the service.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Returns the next item, or `None` after an error, which ends the stream.
    /// Equivalent to `futures::StreamExt::next`, without the dependency.
    ///
    /// # Errors
    ///
    /// [`is_closed`](Error::is_closed), and errors that a retry cannot fix, such as
    /// [`is_invalid`](Error::is_invalid) and
    /// [`is_unexpected_reply`](Error::is_unexpected_reply). The stream reconnects
    /// after transient errors and does not report them.
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
        let span =
            debug_span!("next_event", prefix = self.selection.prefix, resource = ?self.selection.resource);
        StreamExt::next(self).instrument(span).await
    }

    fn start(&self) -> mpsc::Receiver<ReceivedItem> {
        let (items_sender, items) = mpsc::channel(READ_AHEAD);
        let span = debug_span!("events", prefix = self.selection.prefix, resource = ?self.selection.resource);
        let reader = EventReader {
            context: Arc::clone(self.handle.context()),
            selection: self.selection.clone(),
            cursor: self.cursor.clone(),
            items: items_sender,
        };
        self.handle.spawn_detached(reader.run().instrument(span));
        items
    }
}

impl Stream for Events {
    type Item = Result<EventItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(invalid) = self.invalid.take() {
            self.ended = true;
            return Poll::Ready(Some(Err(invalid)));
        }
        if self.items.is_none() {
            self.items = Some(self.start());
        }
        loop {
            let Some(items) = &mut self.items else { return Poll::Ready(None) };
            let received = match items.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(received)) => received,
                Poll::Ready(None) => ReceivedItem { item: Some(Err(self.handle.gone())), cursor: None },
            };
            if received.cursor.is_some() {
                self.cursor = received.cursor;
            }
            if let Some(item) = received.item {
                self.ended = item.is_err();
                return Poll::Ready(Some(item));
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("selection", &self.selection)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
