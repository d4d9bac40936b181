//! Reads that tell why locks are not free.

use std::sync::Arc;

use dlm_protocol::limits::MAX_PAGE;
use dlm_protocol::{Explanation, Owner, OwnerDetails, OwnerPage, PrincipalDetails, ResourceName};
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::error::Error;
use crate::transport::encode;

impl Client {
    /// Explains why the lock on `name` is not free: who holds it and since when, who would be granted it
    /// next, and how long it was held before.
    ///
    /// Times to come are estimates from past holds. Nothing keeps a holder from holding the lock longer.
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
    /// let why = client.explain("orders/42").await?;
    /// for holder in &why.holders {
    ///     println!("held by {} since {}", holder.owner, holder.acquired_at);
    /// }
    /// if let Some(ms) = why.estimated_release_in_ms {
    ///     println!("may be released in {ms} ms");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn explain(&self, name: impl AsRef<str>) -> Result<Explanation, Error> {
        self.explain_with(name.as_ref(), None).await
    }

    /// Like [`explain`](Self::explain), and estimates how long the first waiter of `owner` may still have
    /// to wait: [`Explanation::waiter`], which is `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if the owner is longer than 256 bytes or has control characters.
    /// Otherwise the errors of [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let why = client.explain_wait("orders/42", "api-7").await?;
    /// if let Some(waiter) = why.waiter {
    ///     println!("place {}, about {:?} ms to go", waiter.waiter.position, waiter.estimated_wait_ms);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn explain_wait(
        &self,
        name: impl AsRef<str>,
        owner: impl AsRef<str>,
    ) -> Result<Explanation, Error> {
        self.explain_with(name.as_ref(), Some(Owner::try_from(owner.as_ref())?)).await
    }

    async fn explain_with(&self, name: &str, owner: Option<Owner>) -> Result<Explanation, Error> {
        let resource = ResourceName::try_from(name)?;
        let query = owner.map_or_else(String::new, |owner| format!("owner={}", encode(owner.as_str())));
        let span = debug_span!("explain", %resource);
        let context = Arc::clone(self.handle.context());
        let explain = async move {
            let request = || context.transport.explain(&resource, &query, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(explain).instrument(span).await
    }

    /// Returns the owners that block the most waiters, at most `limit` of 1 to 1,000, with what they hold
    /// and wait for.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if the limit is invalid; [`is_connect`](Error::is_connect),
    /// [`is_timeout`](Error::is_timeout) and others if the server does not reply after a few retries.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// for owner in client.owners(10).await?.owners {
    ///     println!("{} holds {} locks and blocks {}", owner.owner, owner.holds, owner.blocked);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn owners(&self, limit: u64) -> Result<OwnerPage, Error> {
        if !(1..=MAX_PAGE as u64).contains(&limit) {
            return Err(Error::invalid(&format!("limit must be between 1 and {MAX_PAGE}, got {limit}")));
        }
        let query = format!("limit={limit}");
        let context = Arc::clone(self.handle.context());
        let owners = async move {
            let request = || context.transport.owners(&query, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(owners).instrument(debug_span!("owners")).await
    }

    /// Returns what `owner` holds and waits for, of all principals that give it. An empty owner is that of
    /// all acquires without one.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if the owner is longer than 256 bytes, has control characters, or
    /// is `.` or `..`, which can't be in a URL. Otherwise the errors of [`owners`](Self::owners).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// for held in client.owner("api-7").await?.holds {
    ///     println!("{} since {}, blocks {}", held.resource, held.lease.acquired_at, held.blocked);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn owner(&self, owner: impl AsRef<str>) -> Result<OwnerDetails, Error> {
        let owner = Owner::try_from(owner.as_ref())?;
        if matches!(owner.as_str(), "." | "..") {
            return Err(Error::invalid(&format!("the owner `{owner}` can't be in a URL")));
        }
        let span = debug_span!("owner", %owner);
        let context = Arc::clone(self.handle.context());
        let details = async move {
            let request = || context.transport.owner(&owner, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(details).instrument(span).await
    }

    /// Returns what the principal `name` holds and waits for, whatever owners its acquires gave.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if the name is empty, which is that of no principal, or is `.` or
    /// `..`, which can't be in a URL. The errors of [`owners`](Self::owners), also if the name is longer than
    /// 128 bytes or is not visible ASCII.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let api = client.principal("api").await?;
    /// println!("{} owners hold {} locks", api.owner_count, api.hold_count);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn principal(&self, name: impl AsRef<str>) -> Result<PrincipalDetails, Error> {
        let name = name.as_ref().to_owned();
        match name.as_str() {
            "" => return Err(Error::invalid("a principal has a name")),
            "." | ".." => return Err(Error::invalid(&format!("the principal `{name}` can't be in a URL"))),
            _ => {}
        }
        let span = debug_span!("principal", principal = name);
        let context = Arc::clone(self.handle.context());
        let details = async move {
            let request = || context.transport.principal(&name, context.request_timeout);
            Ok(context.with_retries(request).await?)
        };
        self.handle.call(details).instrument(span).await
    }
}
