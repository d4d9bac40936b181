use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{
    CheckRequest, Checked, FencingToken, ForceReleaseRequest, ForceReleased, LockStatus, Reason, ResourceName,
};
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::error::Error;
use crate::retry;
use crate::worker::Shared;

/// What is asked of a server beside locks.
impl Client {
    /// Who holds `name` and who waits for it.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) for a bad name;
    /// [`is_connect`](Error::is_connect), [`is_timeout`](Error::is_timeout) and
    /// others when the server gives no answer, after a few repeats.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only reads.
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
        let (shared, timeout) = self.asking();
        self.handle
            .call(
                async move { Ok(retry::ask(timeout, || shared.transport.status(&resource, timeout)).await?) },
            )
            .instrument(span)
            .await
    }

    /// Whether `token` is that of a live lease on `name`: for a storage that
    /// can't keep a fence of its own.
    ///
    /// # Errors
    ///
    /// As of [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// Safe: it only reads.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// # let token = dlm_client::FencingToken::new(42);
    /// if !client.check("orders/42", token).await?.live {
    ///     println!("a stale holder: its write is refused");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check(&self, name: impl AsRef<str>, token: FencingToken) -> Result<Checked, Error> {
        let resource = ResourceName::try_from(name.as_ref())?;
        let body = CheckRequest { fencing_token: token };
        let span = debug_span!("check", %resource, fencing_token = %token);
        let (shared, timeout) = self.asking();
        self.handle
            .call(async move {
                Ok(retry::ask(timeout, || shared.transport.check(&resource, &body, timeout)).await?)
            })
            .instrument(span)
            .await
    }

    /// Ends the one lease on `name` that has `token`, whoever holds it: for
    /// operators, who say why in `reason` (1 to 1,024 bytes). The holder learns
    /// of it at once over the session, or else at its next renewal. A repeat for
    /// the same token gives the same answer.
    ///
    /// # Errors
    ///
    /// [`code`](Error::code) is
    /// [`HolderChanged`](crate::ProblemCode::HolderChanged) when no live lease
    /// has the token, with the [`holders`](Error::holders) there are now;
    /// [`is_invalid`](Error::is_invalid) for a bad name or reason; otherwise as
    /// of [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the lease may be ended or not.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// for holder in client.status("orders/42").await?.holders {
    ///     client.force_release("orders/42", holder.fencing_token, "its host is gone").await?;
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
        let (shared, timeout) = self.asking();
        self.handle
            .call(async move {
                Ok(retry::ask(timeout, || shared.transport.force_release(&resource, &body, timeout)).await?)
            })
            .instrument(span)
            .await
    }

    /// What a question to the server needs: the thread's things and its time.
    pub(crate) fn asking(&self) -> (Arc<Shared>, Duration) {
        let shared = Arc::clone(&self.handle.shared);
        let timeout = shared.request_timeout;
        (shared, timeout)
    }
}
