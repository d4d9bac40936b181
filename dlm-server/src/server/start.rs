//! The start of a server.

use std::io;
use std::sync::Arc;

use super::Server;
use super::builder::ServerBuilder;
use super::error::StartError;
use super::listeners::{Exposure, ListenAddress};
use crate::audit::{Audit, AuditDestination, AuditOptions};
use crate::auth::{Authenticator, Policies, Policy, PolicyReloader};
use crate::http::{App, ConnectionLimits, Hosts, Listener, Scheme, ServeOptions, TrustedProxies};
use crate::metrics::Metrics;
use crate::reload::Reload;
use crate::service::Service;
use crate::tls::TlsReloader;
use crate::webhook::Webhook;

/// The default address.
const DEFAULT_LISTEN: &str = "127.0.0.1:7420";

impl ServerBuilder {
    /// Makes a database from a backup safe to serve, instead of serving it. See
    /// [`restore`](crate::restore).
    ///
    /// # Errors
    ///
    /// Returns an error that tells the operator what to change.
    pub async fn restore(self, raise_tokens: u32) -> Result<crate::Restored, StartError> {
        Ok(crate::restore(self.service, raise_tokens).await?)
    }

    /// Opens the store and starts to listen. Connections are accepted once
    /// [`Server::run`] is called.
    ///
    /// # Errors
    ///
    /// Returns an error that tells the operator what to change.
    pub async fn bind(self) -> Result<Server, StartError> {
        // Before anything is opened: a mistake is reported at once.
        let metrics = Metrics::new();
        let addresses = self.addresses()?;
        let audit = self.audit.as_ref().map(|options| open_audit_log(options, &metrics)).transpose()?;
        let audit = audit.unwrap_or_default();
        let webhook = self.webhook.as_ref().map(|options| Webhook::open(options, Arc::clone(&metrics)));
        let webhook = webhook.transpose()?;
        let tls = self.tls.clone();
        let tls =
            tls.map(|files| TlsReloader::start(files, Arc::clone(&metrics), audit.clone())).transpose()?;
        let auth = self.auth_file.clone();
        let auth =
            auth.map(|path| PolicyReloader::start(path, Arc::clone(&metrics), audit.clone())).transpose()?;
        let policies = auth.as_ref().map_or_else(|| Policies::new(Policy::open()), PolicyReloader::policies);
        self.warn_of_exposure(&addresses, &metrics);
        let probes = self.probe_listen.as_deref().map(ListenAddress::for_probes).transpose()?;
        let listened = addresses.iter().chain(&probes);
        let listened = listened.filter_map(ListenAddress::host);
        let hosts = Hosts::new(listened, &self.allowed_hosts).map_err(StartError::AllowedHost)?;
        let proxies = TrustedProxies::parse(&self.trusted_proxies).map_err(StartError::TrustedProxy)?;

        let (mut listeners, mut urls, mut probe_url) = (Vec::new(), Vec::new(), None);
        for address in addresses {
            let (socket, address) = address.bind().await?;
            let tls = tls.as_ref().filter(|_| address.is_encrypted()).map(TlsReloader::tls);
            listeners.push(Listener { socket, tls, probes_only: false });
            urls.push(address.to_string());
        }
        if let Some(address) = probes {
            let (socket, address) = address.bind().await?;
            listeners.push(Listener { socket, tls: None, probes_only: true });
            probe_url = Some(address.to_string());
        }

        let authenticator = Authenticator::new(policies.clone(), Arc::clone(&metrics));
        let service = Service::open_with(self.service, policies, Arc::clone(&metrics), audit.clone()).await?;
        let reload = Reload::new();
        let app = start_reloaders(&service, &reload, tls, auth, audit.clone())
            .and_then(|()| App::new(service.clone(), authenticator, hosts, proxies, metrics));
        let app = match app {
            Ok(app) => app,
            Err(error) => {
                service.close().await;
                return Err(StartError::Thread(error));
            }
        };
        if let Some(webhook) = webhook {
            service.report_troubles(webhook);
        }
        let open_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limits =
            ConnectionLimits::new(self.max_connections, self.max_connections_per_address, open_files);
        let options = ServeOptions { limits, keep_alive: self.keep_alive };
        Ok(Server { listeners, urls, probe_url, reload, service, app, options, audit })
    }

    /// Tells the operator what other machines can do.
    fn warn_of_exposure(&self, addresses: &[ListenAddress], metrics: &Metrics) {
        if self.insecure_no_auth {
            tracing::warn!("no authentication: everyone who can reach the server may do everything");
            metrics.no_authentication();
        }
        // A trusted proxy is expected to encrypt the way to its clients.
        if self.auth_file.is_none() || !self.trusted_proxies.is_empty() {
            return;
        }
        for address in addresses.iter().filter(|address| address.is_readable_by_others()) {
            tracing::warn!(
                %address,
                "connections are not encrypted: whoever can listen on the network can read and use every token"
            );
        }
    }

    /// The addresses to listen on; at least one.
    fn addresses(&self) -> Result<Vec<ListenAddress>, StartError> {
        let scheme = if self.tls.is_some() { Scheme::Https } else { Scheme::Http };
        if self.auth_file.is_some() && self.insecure_no_auth {
            return Err(StartError::AuthContradiction);
        }
        let allowed = Exposure {
            reachable: self.auth_file.is_some() || self.insecure_no_auth,
            plaintext: self.tls.is_none() || self.insecure_plaintext,
        };
        let default = [DEFAULT_LISTEN.to_owned()];
        let listen = if self.listen.is_empty() { &default[..] } else { &self.listen };
        let parse = |listen: &String| {
            let address = ListenAddress::parse(listen, scheme)?;
            address.check(allowed)?;
            if address.is_encrypted() && self.tls.is_none() {
                return Err(StartError::NoCertificate(listen.clone()));
            }
            Ok(address)
        };
        listen.iter().map(parse).collect()
    }
}

/// Starts the threads that read files again.
fn start_reloaders(
    service: &Service,
    reload: &Reload,
    tls: Option<TlsReloader>,
    auth: Option<PolicyReloader>,
    audit: Audit,
) -> io::Result<()> {
    let background = service.background();
    if audit.is_on() {
        let reopening = audit.reopen_on(reload.requests(), background.stop_token());
        background.spawn("audit-reopener", reopening)?;
    }
    if let Some(tls) = tls {
        background.spawn("tls-reloader", tls.run(reload.requests(), background.stop_token()))?;
    }
    if let Some(auth) = auth {
        background.spawn("auth-reloader", auth.run(reload.requests(), background.stop_token()))?;
    }
    Ok(())
}

fn open_audit_log(options: &AuditOptions, metrics: &Metrics) -> Result<Audit, StartError> {
    Audit::open(options, metrics.audit_records_lost()).map_err(|source| StartError::AuditLog {
        path: match &options.destination {
            AuditDestination::StandardOutput => "standard output".into(),
            AuditDestination::File(path) => path.display().to_string(),
        },
        source,
    })
}
