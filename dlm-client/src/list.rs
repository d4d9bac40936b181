//! The list of locks, as a stream.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dlm_protocol::{LockPage, LockStatus, StateFilter};
use futures_util::{Stream, StreamExt};
use tracing::{Instrument, debug_span};

use crate::error::Error;
use crate::transport::encode;
use crate::worker::Handle;

type PageFuture = Pin<Box<dyn Future<Output = Result<LockPage, Error>> + Send>>;

/// A stream of the status of locks, created by
/// [`Client::locks`](crate::Client::locks).
///
/// A status is as of when its page was fetched, and does not list waiters. The
/// stream ends after an error.
///
/// # Cancel safety
///
/// Dropping the future of [`next`](Self::next) loses no item.
#[must_use = "nothing is fetched before the stream is polled"]
pub struct Locks {
    handle: Handle,
    prefix: String,
    state: StateFilter,
    page: PageState,
    rows: VecDeque<LockStatus>,
    cursor: Option<String>,
}

enum PageState {
    /// The next page starts after this name.
    NotFetched {
        after: Option<String>,
    },
    Fetching(PageFuture),
    /// The last page was fetched, or an error occurred.
    Done,
}

impl Locks {
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            prefix: String::new(),
            state: StateFilter::default(),
            page: PageState::NotFetched { after: None },
            rows: VecDeque::new(),
            cursor: None,
        }
    }

    /// Lists only locks whose name starts with `prefix`.
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

    /// Lists only locks in this state. The default is [`StateFilter::Held`].
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

    /// The position of the *first* page in the event log, from which to continue
    /// with [`events`](crate::Client::events). `None` before the first page is
    /// fetched.
    ///
    /// Pages are fetched one after another while locks change. A subscriber that
    /// resumes from this cursor misses no event. Ignore an event whose `version` is
    /// not greater than the row's: the row already includes it.
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

    /// Returns the next status, or `None` at the end. Equivalent to
    /// `futures::StreamExt::next`, without the dependency.
    ///
    /// # Errors
    ///
    /// [`is_closed`](Error::is_closed), [`is_connect`](Error::is_connect),
    /// [`is_timeout`](Error::is_timeout) and others if a page cannot be fetched.
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

    fn fetch(&self, after: Option<&str>) -> PageFuture {
        let mut query = format!("limit={}", dlm_protocol::limits::MAX_PAGE);
        let state = self.state.as_str();
        // Writing to a string cannot fail.
        let _ = write!(query, "&state={state}&prefix={}", encode(&self.prefix));
        if let Some(after) = after {
            let _ = write!(query, "&after={}", encode(after));
        }
        let span = debug_span!("locks", prefix = self.prefix, state);
        let handle = self.handle.clone();
        let context = Arc::clone(handle.context());
        let page = async move {
            let request = || context.transport.locks(&query, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
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
            match &mut self.page {
                PageState::NotFetched { after } => {
                    let after = after.take();
                    self.page = PageState::Fetching(self.fetch(after.as_deref()));
                }
                PageState::Fetching(page) => match ready!(page.as_mut().poll(cx)) {
                    Ok(page) => {
                        self.rows = page.locks.into();
                        self.cursor.get_or_insert(page.cursor);
                        self.page = match page.next {
                            Some(next) => PageState::NotFetched { after: Some(next) },
                            None => PageState::Done,
                        };
                    }
                    Err(error) => {
                        self.page = PageState::Done;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                PageState::Done => return Poll::Ready(None),
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
