//! The certificates of servers and of the client.

use super::ClientBuilder;
use crate::error::Error;
use crate::transport::ClientIdentity;

impl ClientBuilder {
    /// Trusts the certificates in `pem` for `https`, *instead of* the platform's trust
    /// store: for servers whose certificates are signed by a private authority. `pem`
    /// has one or more certificates in PEM format; further calls add to them.
    ///
    /// [`connect`](Self::connect) fails with [`is_invalid`](Error::is_invalid) if `pem`
    /// has no certificate or an unusable one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = dlm_client::Client::builder()
    ///     .address("https://locks.internal:7420")
    ///     .root_certificate(std::fs::read("/etc/dlm/ca.pem")?)
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn root_certificate(self, pem: impl AsRef<[u8]>) -> Self {
        self.with(|settings| {
            let added = settings.tls.roots.add_pem(pem.as_ref());
            added.map_err(|why| Error::invalid(&format!("invalid root certificate: {why}")))
        })
    }

    /// The certificate of this client, with its chain, and its private key, in PEM format:
    /// for servers that know their clients by their certificates (mutual TLS). It is used
    /// for `https` addresses.
    ///
    /// [`connect`](Self::connect) fails with [`is_invalid`](Error::is_invalid) if the
    /// certificate or the key is missing or unusable, or if they don't belong together.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = dlm_client::Client::builder()
    ///     .address("https://locks.internal:7420")
    ///     .client_identity(std::fs::read("/etc/dlm/api.pem")?, std::fs::read("/etc/dlm/api.key")?)
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_identity(self, certificates: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.with(|settings| {
            let identity = ClientIdentity::from_pem(certificates.as_ref(), key.as_ref());
            let invalid = |why| Error::invalid(&format!("invalid client identity: {why}"));
            settings.tls.identity = Some(identity.map_err(invalid)?);
            Ok(())
        })
    }

    /// Trusts the certificates of a file that an environment variable names.
    pub(super) fn root_certificates_of(self, pem: &[u8], invalid: impl FnOnce(String) -> Error) -> Self {
        self.with(|settings| settings.tls.roots.add_pem(pem).map_err(invalid))
    }
}
