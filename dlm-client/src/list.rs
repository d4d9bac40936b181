use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dlm_protocol::{LockPage, LockStatus, StateFilter};
use futures_util::{Stream, StreamExt};
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::error::Error;
use crate::retry;
use crate::transport::segment;

type Fetching = Pin<Box<dyn Future<Output = Result<LockPage, Error>> + Send>>;

/// A stream of the resources of a server, from [`Client::locks`].
///
/// Their status is as of when the page was fetched, and without waiters. After
/// an error the stream has ended.
///
/// # Cancel safety
///
/// Dropping what waits for the next one loses nothing.
#[must_use = "nothing is fetched before the stream is polled"]
pub struct Locks {
    client: Client,
    prefix: String,
    state: StateFilter,
    at: Place,
    rows: VecDeque<LockStatus>,
    cursor: Option<String>,
}

enum Place {
    /// Before the page after this name.
    Before(Option<String>),
    Fetching(Fetching),
    End,
}

impl Locks {
    pub(crate) fn new(client: Client) -> Self {
        let (prefix, state) = (String::new(), StateFilter::default());
        Self { client, prefix, state, at: Place::Before(None), rows: VecDeque::new(), cursor: None }
    }

    /// Only those whose name begins so.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let first = client.locks().prefix("orders/").next().await.transpose()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Only those in this state; held ones otherwise.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use dlm_client::StateFilter;
    ///
    /// let contended = client.locks().state(StateFilter::Waiting).next().await.transpose()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn state(mut self, state: StateFilter) -> Self {
        self.state = state;
        self
    }

    /// Where to go on with the events of these resources: the place in the event
    /// log of the *first* page; `None` before that is fetched.
    ///
    /// Pages are read one after the other while locks change. Who follows the
    /// list with [`events`](Client::events) from here on misses nothing; an event
    /// whose `version` is not above that of the row has been seen in the row.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::collections::HashMap;
    ///
    /// use dlm_client::{EventItem, StateFilter};
    ///
    /// let mut locks = client.locks().prefix("orders/").state(StateFilter::All);
    /// let mut versions = HashMap::new();
    /// while let Some(status) = locks.next().await {
    ///     let status = status?;
    ///     versions.insert(status.resource, status.version);
    /// }
    /// let mut events = client.events().prefix("orders/");
    /// if let Some(cursor) = locks.cursor() {
    ///     events = events.after(cursor);
    /// }
    /// while let Some(item) = events.next().await {
    ///     let EventItem::Event(event) = item? else { continue };
    ///     let seen = versions.entry(event.resource.clone()).or_default();
    ///     if event.version > *seen {
    ///         *seen = event.version;
    ///         println!("{} {}", event.kind.as_str(), event.resource);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next one; `None` at the end. The same as the method of
    /// `futures::StreamExt`, for programs that have no other use for it.
    ///
    /// # Errors
    ///
    /// [`is_closed`](Error::is_closed), [`is_connect`](Error::is_connect),
    /// [`is_timeout`](Error::is_timeout) and others when a page can't be
    /// fetched.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let mut locks = client.locks();
    /// while let Some(status) = locks.next().await {
    ///     println!("{}", status?.resource);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<LockStatus, Error>> {
        StreamExt::next(self).await
    }

    fn fetch(&self, after: Option<&str>) -> Fetching {
        let mut query = format!("limit={}", dlm_protocol::limits::MAX_PAGE);
        let state = match self.state {
            StateFilter::Held => "held",
            StateFilter::Waiting => "waiting",
            StateFilter::All => "all",
        };
        // Writing to a string can't fail.
        let _ = write!(query, "&state={state}&prefix={}", segment(&self.prefix));
        if let Some(after) = after {
            let _ = write!(query, "&after={}", segment(after));
        }
        let span = debug_span!("locks", prefix = self.prefix, state);
        let handle = self.client.handle.clone();
        let (shared, timeout) = self.client.asking();
        let page = async move { Ok(retry::ask(timeout, || shared.transport.list(&query, timeout)).await?) };
        Box::pin(async move { handle.call(page).await }.instrument(span))
    }
}

impl Stream for Locks {
    type Item = Result<LockStatus, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                return Poll::Ready(Some(Ok(row)));
            }
            match &mut self.at {
                Place::Before(after) => {
                    let after = after.take();
                    self.at = Place::Fetching(self.fetch(after.as_deref()));
                }
                Place::Fetching(page) => match ready!(page.as_mut().poll(cx)) {
                    Ok(page) => {
                        self.rows = page.locks.into();
                        self.cursor.get_or_insert(page.cursor);
                        self.at = page.next.map_or(Place::End, |next| Place::Before(Some(next)));
                    }
                    Err(error) => {
                        self.at = Place::End;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Place::End => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks")
            .field("prefix", &self.prefix)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
