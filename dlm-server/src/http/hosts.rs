//! Checks the host and the origin of a request.
//!
//! A page of another site must not reach a server on loopback. `Host` rejects
//! DNS rebinding: a foreign name that resolves to this server. `Origin` rejects
//! cross-origin requests; `Sec-Fetch-Site` does so where browsers send no
//! origin, as for images, scripts and forms that use GET.

use std::net::IpAddr;

use dlm_protocol::ProblemCode;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::{Request, Uri, Version};

use super::host::{Authority, Host};
use super::proxies::Scheme;
use super::response::Rejection;
use super::ui;

/// How the origin of the requesting page relates to this server. Only browsers
/// send it.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The hosts that the server accepts in requests.
#[derive(Debug)]
pub(crate) struct Hosts {
    accepted: Vec<Host>,
    /// Any IP address is accepted, because the server listens on all addresses
    /// of the machine. Only names can be used for DNS rebinding.
    all_addresses: bool,
}

impl Hosts {
    /// `listened` are the configured addresses and what their hosts resolved to, and
    /// `allowed` the names that the operator added.
    ///
    /// # Errors
    ///
    /// Returns the first name that no request can have.
    pub(crate) fn new<'a>(
        listened: impl IntoIterator<Item = (&'a str, IpAddr)>,
        allowed: &[String],
    ) -> Result<Self, String> {
        let mut accepted = vec![Host::Name("localhost".into())];
        let mut all_addresses = false;
        for (listen, resolved) in listened {
            accepted.push(Host::Address(resolved));
            accepted.extend(Authority::parse(listen).map(|authority| authority.host));
            all_addresses |= resolved.is_unspecified();
        }
        // An empty environment variable or a trailing comma is no name.
        for name in allowed.iter().filter(|name| !name.trim().is_empty()) {
            let authority = Authority::parse(name.trim()).ok_or_else(|| name.clone())?;
            accepted.push(authority.host);
        }
        Ok(Self { accepted, all_addresses })
    }

    /// Rejects a request for another host, or from a page of another origin. `scheme` is
    /// the one that the client used, if it is known.
    pub(super) fn check<B>(&self, request: &Request<B>, scheme: Option<Scheme>) -> Result<(), Rejection> {
        if is_bare_probe(request) {
            return Ok(());
        }
        let authority = authority(request.uri(), request.headers())?;
        if !self.accepts(&authority.host) {
            let host = &authority.host;
            let detail = format!(
                "this server does not accept requests for the host \"{host}\"; to allow it, start the server with \
                 `--allowed-host {host}`"
            );
            return Err(Rejection::new(ProblemCode::HostNotAllowed, 421, detail));
        }
        let same_origin =
            request.headers().get_all(ORIGIN).iter().all(|origin| is_same_origin(origin, &authority, scheme));
        if same_origin && (is_same_site(request.headers()) || is_link_to_page(request)) {
            return Ok(());
        }
        let detail = "pages of other origins may not use this server";
        Err(Rejection::new(ProblemCode::OriginNotAllowed, 403, detail))
    }

    fn accepts(&self, host: &Host) -> bool {
        self.accepted.contains(host)
            || matches!(host, Host::Address(address) if self.all_addresses || address.is_loopback())
    }
}

/// A health check over HTTP/1.0, which need not have a `Host`. Every browser sends
/// one, so no page can make such a request.
fn is_bare_probe<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_10
        && request.uri().authority().is_none()
        && !request.headers().contains_key(HOST)
        && matches!(request.uri().path(), "/livez" | "/readyz")
}

/// The host that the request is for: in the URI with HTTP/2, in a header with
/// HTTP/1.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Rejection> {
    let found = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => {
            let mut values = headers.get_all(HOST).iter();
            let only = values.next().filter(|_| values.next().is_none());
            only.and_then(|value| value.to_str().ok())
        }
    };
    found
        .and_then(Authority::parse)
        .ok_or_else(|| Rejection::invalid("the request needs exactly one valid `Host` header"))
}

/// Whether an origin is the scheme of a page followed by the `Host` of the
/// request, as browsers send it for pages of this server.
fn is_same_origin(origin: &HeaderValue, host: &Authority, scheme: Option<Scheme>) -> bool {
    let Some((of_page, rest)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let schemes = [Scheme::Http, Scheme::Https];
    let mut possible = schemes.into_iter().filter(|possible| scheme.is_none_or(|known| known == *possible));
    possible.any(|possible| possible.as_str() == of_page) && Authority::parse(rest).as_ref() == Some(host)
}

/// Whether no browser reports a page of another origin. `none` is the user: a
/// typed address or a bookmark.
fn is_same_site(headers: &HeaderMap) -> bool {
    headers.get_all(FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none")
}

/// Any page may link to a view of the UI.
fn is_link_to_page<B>(request: &Request<B>) -> bool {
    let mut modes = request.headers().get_all(FETCH_MODE).iter();
    modes.all(|mode| mode == "navigate")
        && request.headers().contains_key(FETCH_MODE)
        && (ui::is_page(request.uri().path()) || ui::is_address(request.uri().path(), request.headers()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, resolved: &str, allowed: &[&str]) -> Hosts {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        Hosts::new([(listen, resolved.parse().unwrap())], &allowed).unwrap()
    }

    fn status(hosts: &Hosts, host: &str, origin: Option<&str>) -> u16 {
        let mut request = Request::get("/v1/locks").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        hosts.check(&request.body(()).unwrap(), None).map_or_else(|rejection| rejection.status(), |()| 200)
    }

    #[test]
    fn a_server_on_loopback_accepts_only_loopback_names() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1", &[]);
        for host in ["127.0.0.1:7420", "localhost", "LOCALHOST:80", "localhost.", "[::1]:7420", "127.8.8.8"] {
            assert_eq!(status(&hosts, host, None), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"] {
            assert_eq!(status(&hosts, host, None), 421, "{host}");
        }
        for host in [
            "",
            "x@localhost",
            "a b",
            "[::1]evil.example",
            "localhost:x",
            "[::1",
            "127.0.0.1:99999",
            "localhost..",
            "a..b",
        ] {
            assert_eq!(status(&hosts, host, None), 400, "{host}");
        }
    }

    #[test]
    fn the_listen_address_and_allowed_hosts_are_accepted() {
        let hosts = hosts("locks.internal:7420", "10.0.0.7", &[" dlm.example:443", "10.9.9.9 "]);
        for host in ["locks.internal:7420", "10.0.0.7:7420", "DLM.example:443", "10.9.9.9"] {
            assert_eq!(status(&hosts, host, None), 200, "{host}");
        }
        assert_eq!(status(&hosts, "10.0.0.8", None), 421);
    }

    #[test]
    fn an_allowed_host_that_no_request_can_have_is_refused() {
        for name in ["https://dlm.example", "*.example", "dlm.example/", "a b", "[::1]x", "dlm.example:http"]
        {
            let allowed = ["localhost".to_owned(), name.to_owned()];
            assert_eq!(Hosts::new([("a:1", "10.0.0.1".parse().unwrap())], &allowed).unwrap_err(), name);
        }
    }

    #[test]
    fn only_probes_over_http_1_0_need_no_host() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1", &[]);
        let status = |path: &str, version: Version| {
            let request = Request::get(path).version(version).body(()).unwrap();
            hosts.check(&request, None).map_or_else(|rejection| rejection.status(), |()| 200)
        };
        for path in ["/livez", "/readyz"] {
            assert_eq!(
                (status(path, Version::HTTP_10), status(path, Version::HTTP_11)),
                (200, 400),
                "{path}"
            );
        }
        assert_eq!(status("/v1/locks", Version::HTTP_10), 400);
        let request = Request::get("/readyz").version(Version::HTTP_10).header(HOST, "evil.example");
        assert_eq!(hosts.check(&request.body(()).unwrap(), None).unwrap_err().status(), 421);
    }

    #[test]
    fn a_server_on_all_addresses_accepts_any_ip_address_but_no_name() {
        let hosts = hosts("0.0.0.0:7420", "0.0.0.0", &[]);
        assert_eq!(status(&hosts, "10.1.2.3:7420", None), 200);
        assert_eq!(status(&hosts, "[fe80::1]:7420", None), 200);
        assert_eq!(status(&hosts, "rebound.example", None), 421);
    }

    #[test]
    fn only_pages_of_the_same_origin_are_accepted() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1", &[]);
        for origin in ["http://localhost:7420", "https://localhost:7420"] {
            assert_eq!(status(&hosts, "localhost:7420", Some(origin)), 200, "{origin}");
        }
        for origin in ["null", "http://localhost", "http://localhost:7421", "http://127.0.0.1:7420", ""] {
            assert_eq!(status(&hosts, "localhost:7420", Some(origin)), 403, "{origin}");
        }
    }

    #[test]
    fn a_page_must_have_the_scheme_of_the_request_if_it_is_known() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1", &[]);
        let accepts = |origin: &str, scheme| {
            let request = Request::get("/").header(HOST, "localhost:7420").header(ORIGIN, origin);
            hosts.check(&request.body(()).unwrap(), Some(scheme)).is_ok()
        };
        assert!(accepts("https://localhost:7420", Scheme::Https));
        assert!(!accepts("http://localhost:7420", Scheme::Https));
        assert!(accepts("http://localhost:7420", Scheme::Http));
        assert!(!accepts("https://localhost:7420", Scheme::Http));
    }

    #[test]
    fn the_addresses_of_all_listeners_are_accepted() {
        let listened =
            [("locks.internal:1", "10.0.0.7".parse().unwrap()), ("[::1]:2", "::1".parse().unwrap())];
        let hosts = Hosts::new(listened, &[]).unwrap();
        for host in ["locks.internal", "10.0.0.7", "[::1]"] {
            assert_eq!(status(&hosts, host, None), 200, "{host}");
        }
        assert_eq!(status(&hosts, "10.0.0.8", None), 421);
    }

    #[test]
    fn a_cross_site_request_without_an_origin_is_rejected() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1", &[]);
        let status = |path: &str, site: &str, mode: &str| {
            let request = Request::get(path).header(HOST, "localhost:7420");
            let request = request.header(FETCH_SITE, site).header(FETCH_MODE, mode);
            hosts
                .check(&request.body(()).unwrap(), None)
                .map_or_else(|rejection| rejection.status(), |()| 200)
        };
        for path in ["/v1/locks", "/v1/events", "/openapi.json", "/metrics", "/icon.svg", "/"] {
            for site in ["cross-site", "same-site", ""] {
                assert_eq!(status(path, site, "no-cors"), 403, "{path} {site}");
            }
            for site in ["same-origin", "none"] {
                assert_eq!(status(path, site, "no-cors"), 200, "{path} {site}");
            }
        }
        for path in ["/", "/locks", "/locks/orders%2F42", "/events", "/playground"] {
            assert_eq!(status(path, "cross-site", "navigate"), 200, "a link to {path}");
        }
        assert_eq!(status("/v1/locks", "cross-site", "navigate"), 403);
    }

    #[test]
    fn repeated_host_or_origin_headers_are_rejected() {
        let hosts = hosts("127.0.0.1:1", "127.0.0.1", &[]);
        let request = Request::get("/").header(HOST, "localhost").header(HOST, "evil.example");
        assert_eq!(hosts.check(&request.body(()).unwrap(), None).unwrap_err().status(), 400);
        let request = Request::get("/").header(HOST, "localhost");
        let request = request.header(ORIGIN, "http://localhost").header(ORIGIN, "http://evil.example");
        assert_eq!(hosts.check(&request.body(()).unwrap(), None).unwrap_err().status(), 403);
    }
}
