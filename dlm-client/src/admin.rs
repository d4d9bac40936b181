//! Reads and administrative operations that need no lock.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::limits::MAX_PAGE;
use dlm_protocol::{
    CheckRequest, Checked, Event, FencingToken, ForceReleaseRequest, ForceReleased, LockStatus, Reason,
    RequestReleaseRequest, RequestedRelease, ResourceName, WhoAmI, Within,
};
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::error::Error;
use crate::transport::encode;

impl Client {
    /// Returns the status of `name`: its state, holders and waiters.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if the name is invalid;
    /// [`is_connect`](Error::is_connect), [`is_timeout`](Error::is_timeout) and
    /// others if the server does not reply after a few retries.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let status = client.status("orders/42").await?;
    /// println!("{:?}, {} waiting", status.state, status.queue_len);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn status(&self, name: impl AsRef<str>) -> Result<LockStatus, Error> {
        let resource = ResourceName::try_from(name.as_ref())?;
        let span = debug_span!("status", %resource);
        let context = Arc::clone(self.handle.context());
        let status = async move {
            let request = || context.transport.status(&resource, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(status).instrument(span).await
    }

    /// Checks whether `token` is the token of a live lease on `name`: for a storage
    /// that cannot remember the largest token it has seen.
    ///
    /// # Errors
    ///
    /// The errors of [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// # let token = dlm_client::FencingToken::new(42);
    /// if !client.check("orders/42", token).await?.live {
    ///     println!("write rejected: stale holder");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check(&self, name: impl AsRef<str>, token: FencingToken) -> Result<Checked, Error> {
        let resource = ResourceName::try_from(name.as_ref())?;
        let body = CheckRequest { fencing_token: token };
        let span = debug_span!("check", %resource, fencing_token = %token);
        let context = Arc::clone(self.handle.context());
        let check = async move {
            let request = || context.transport.check(&resource, &body, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(check).instrument(span).await
    }

    /// Ends the lease on `name` that has `token`, whoever holds it. This is for
    /// operators, who give a `reason` of 1 to 1,024 bytes.
    ///
    /// The holder is notified at once over the session, or else at its next
    /// renewal. A retry with the same token gets the same reply.
    ///
    /// # Errors
    ///
    /// [`code`](Error::code) is
    /// [`HolderChanged`](crate::ProblemCode::HolderChanged) if no live lease has the
    /// token; [`holders`](Error::holders) lists the current holders.
    /// [`is_invalid`](Error::is_invalid) if the name or reason is invalid. Otherwise
    /// the errors of [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the lease may or may not be ended.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// for holder in client.status("orders/42").await?.holders {
    ///     client.force_release("orders/42", holder.fencing_token, "the host is down").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn force_release(
        &self,
        name: impl AsRef<str>,
        token: FencingToken,
        reason: impl AsRef<str>,
    ) -> Result<ForceReleased, Error> {
        let resource = ResourceName::try_from(name.as_ref())?;
        let body = ForceReleaseRequest { fencing_token: token, reason: Reason::try_from(reason.as_ref())? };
        let span = debug_span!("force_release", %resource, fencing_token = %token);
        let context = Arc::clone(self.handle.context());
        let force_release = async move {
            let request = || context.transport.force_release(&resource, &body, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(force_release).instrument(span).await
    }

    /// Asks the holder of the lease on `name` that has `token` to let go of it within a time of one
    /// second to one hour, for a `reason` of 1 to 1,024 bytes. With `force` the server
    /// force-releases the lease at the deadline, if it is still held.
    ///
    /// The holder is told at once over the session, or else with its next renewal: see
    /// [`LockGuard::release_requested`](crate::LockGuard::release_requested). A repeat for the same
    /// token changes nothing and gets the reply of the first request, also with other arguments.
    ///
    /// # Errors
    ///
    /// [`code`](Error::code) is
    /// [`HolderChanged`](crate::ProblemCode::HolderChanged) if no live lease has the
    /// token; [`holders`](Error::holders) lists the current holders.
    /// [`is_invalid`](Error::is_invalid) if the name, the reason or the time is invalid. Otherwise
    /// the errors of [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the holder may or may not be asked.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// for holder in client.status("orders/42").await?.holders {
    ///     let within = Duration::from_secs(30);
    ///     client.request_release("orders/42", holder.fencing_token, "deploy", within, true).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request_release(
        &self,
        name: impl AsRef<str>,
        token: FencingToken,
        reason: impl AsRef<str>,
        within: Duration,
        force: bool,
    ) -> Result<RequestedRelease, Error> {
        let resource = ResourceName::try_from(name.as_ref())?;
        let body = RequestReleaseRequest {
            fencing_token: token,
            reason: Reason::try_from(reason.as_ref())?,
            within_ms: Within::try_from(within)?,
            force,
        };
        let span = debug_span!("request_release", %resource, fencing_token = %token);
        let context = Arc::clone(self.handle.context());
        let request_release = async move {
            let request = || context.transport.request_release(&resource, &body, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(request_release).instrument(span).await
    }

    /// Returns the newest events of the lock on `name`, at most `limit` of 1 to 1,000, the
    /// oldest of them first. The event log reaches back as far as the server keeps it.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if the name or the limit is invalid;
    /// [`is_connect`](Error::is_connect), [`is_timeout`](Error::is_timeout) and others if
    /// the server does not reply after a few retries.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// for event in client.history("orders/42", 20).await? {
    ///     println!("{} {} {}", event.at, event.kind.as_str(), event.owner);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn history(&self, name: impl AsRef<str>, limit: u64) -> Result<Vec<Event>, Error> {
        let resource = ResourceName::try_from(name.as_ref())?;
        if !(1..=MAX_PAGE as u64).contains(&limit) {
            return Err(Error::invalid(&format!("limit must be between 1 and {MAX_PAGE}, got {limit}")));
        }
        let query = format!("resource={}&newest=true&limit={limit}", encode(resource.as_str()));
        let span = debug_span!("history", %resource);
        let context = Arc::clone(self.handle.context());
        let history = async move {
            let request = || context.transport.events(&query, context.request_timeout);
            Ok(context.with_retries(request).await?.events)
        };
        self.handle.call(history).instrument(span).await
    }

    /// Asks the server who the client is: the name of its principal, what it may do, and
    /// when its credential expires.
    ///
    /// # Errors
    ///
    /// [`is_unauthenticated`](Error::is_unauthenticated) if the server does not accept the
    /// client's credential; [`is_connect`](Error::is_connect),
    /// [`is_timeout`](Error::is_timeout) and others if the server does not reply after a
    /// few retries.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let me = client.whoami().await?;
    /// for rule in &me.rules {
    ///     println!("{} may {} below `{}`", me.principal, rule.role.as_str(), rule.prefix);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn whoami(&self) -> Result<WhoAmI, Error> {
        let context = Arc::clone(self.handle.context());
        let who = async move {
            let request = || context.transport.who_am_i(context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(who).instrument(debug_span!("whoami")).await
    }
}
