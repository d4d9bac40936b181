//! For whom the server answers: a page of another site must not reach a server
//! that listens on loopback, neither by a name that was pointed here (`Host`)
//! nor from its own address (`Origin`, and `Sec-Fetch-Site` where a browser
//! sends no origin: for an image, a script or a form that only reads).

use std::net::{IpAddr, SocketAddr};

use dlm_protocol::ProblemCode;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Request, Uri};

use super::reply::Refused;
use super::ui;

/// Where the page that asks comes from, seen from here; browsers alone send it.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The names that the server answers to.
#[derive(Debug)]
pub(crate) struct Hosts {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    /// It listens on all addresses of the machine. Only names can be pointed
    /// somewhere by others, so any address in numbers will do.
    all_addresses: bool,
}

impl Hosts {
    /// `listen` as it was given, and what it was resolved to; `others` as the
    /// operator added them.
    pub(crate) fn new(listen: &str, resolved: SocketAddr, others: &[String]) -> Self {
        let mut hosts = Self {
            names: vec!["localhost".into()],
            addresses: vec![resolved.ip()],
            all_addresses: resolved.ip().is_unspecified(),
        };
        let given = listen.parse::<Authority>().ok();
        let given = given.iter().map(|authority| authority.host().to_owned());
        let others = others.iter().map(|other| match other.parse::<Authority>() {
            Ok(authority) => authority.host().to_owned(),
            Err(_) => other.clone(),
        });
        for host in given.chain(others) {
            match address(&host) {
                Some(address) => hosts.addresses.push(address),
                None => hosts.names.push(name(&host)),
            }
        }
        hosts
    }

    /// Refuses a request that is not meant for this server, or that a page of
    /// another one sends.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        let asked = authority(request.uri(), request.headers())?;
        if !self.has(asked.host()) {
            let detail = format!(
                "this server does not answer for the host {:?}; start it with `--allowed-host {}` if it should",
                asked.host(),
                asked.host()
            );
            return Err(Refused::new(ProblemCode::HostNotAllowed, 421, detail));
        }
        let own = request.headers().get_all(ORIGIN).iter().all(|origin| is_own(origin, &asked));
        if own && (is_from_here(request.headers()) || is_link_to_page(request)) {
            return Ok(());
        }
        let detail = "a page of another origin may not use this server";
        Err(Refused::new(ProblemCode::OriginNotAllowed, 403, detail))
    }

    fn has(&self, host: &str) -> bool {
        match address(host) {
            Some(address) => self.all_addresses || address.is_loopback() || self.addresses.contains(&address),
            None => self.names.contains(&name(host)),
        }
    }
}

/// Whom the request is for: HTTP/2 says it in its address, HTTP/1 in a header.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Refused> {
    if let Some(authority) = uri.authority() {
        return Ok(authority.clone());
    }
    let mut values = headers.get_all(HOST).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.and_then(|value| Authority::try_from(value.as_bytes()).ok())
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| Refused::invalid("the request needs one valid `Host` header"))
}

/// Browsers write the origin as the page's scheme and what they send as `Host`.
fn is_own(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().unwrap_or("");
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
}

/// Whether no browser says that a page of another origin asks. `none` is the
/// user: an address that was typed, a bookmark.
fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get_all(FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none")
}

/// A link to a view may stand in any page.
fn is_link_to_page<B>(request: &Request<B>) -> bool {
    let mut modes = request.headers().get_all(FETCH_MODE).iter();
    modes.all(|mode| mode == "navigate")
        && request.headers().contains_key(FETCH_MODE)
        && ui::is_page(request.uri().path())
}

fn address(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

fn name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, resolved: &str, others: &[&str]) -> Hosts {
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        Hosts::new(listen, resolved.parse().unwrap(), &others)
    }

    fn answer(hosts: &Hosts, host: &str, origin: Option<&str>) -> u16 {
        let mut request = Request::get("/v1/locks").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        hosts.check(&request.body(()).unwrap()).map_or_else(|refused| refused.status(), |()| 200)
    }

    #[test]
    fn a_server_on_loopback_answers_to_loopback_names_alone() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1:7420", &[]);
        for host in ["127.0.0.1:7420", "localhost", "LOCALHOST:80", "localhost.", "[::1]:7420", "127.8.8.8"] {
            assert_eq!(answer(&hosts, host, None), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"] {
            assert_eq!(answer(&hosts, host, None), 421, "{host}");
        }
        for host in ["", "x@localhost", "a b"] {
            assert_eq!(answer(&hosts, host, None), 400, "{host}");
        }
    }

    #[test]
    fn other_names_are_those_it_was_told() {
        let hosts = hosts("locks.internal:7420", "10.0.0.7:7420", &["dlm.example:443", "10.9.9.9"]);
        for host in ["locks.internal:7420", "10.0.0.7:7420", "DLM.example:443", "10.9.9.9"] {
            assert_eq!(answer(&hosts, host, None), 200, "{host}");
        }
        assert_eq!(answer(&hosts, "10.0.0.8", None), 421);
    }

    #[test]
    fn on_all_addresses_every_number_will_do_but_no_name() {
        let hosts = hosts("0.0.0.0:7420", "0.0.0.0:7420", &[]);
        assert_eq!(answer(&hosts, "10.1.2.3:7420", None), 200);
        assert_eq!(answer(&hosts, "[fe80::1]:7420", None), 200);
        assert_eq!(answer(&hosts, "rebound.example", None), 421);
    }

    #[test]
    fn a_page_is_answered_where_it_comes_from_here() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1:7420", &[]);
        for origin in ["http://localhost:7420", "https://localhost:7420"] {
            assert_eq!(answer(&hosts, "localhost:7420", Some(origin)), 200, "{origin}");
        }
        for origin in ["null", "http://localhost", "http://localhost:7421", "http://127.0.0.1:7420", ""] {
            assert_eq!(answer(&hosts, "localhost:7420", Some(origin)), 403, "{origin}");
        }
    }

    #[test]
    fn a_page_elsewhere_reaches_nothing_without_an_origin_either() {
        let hosts = hosts("127.0.0.1:7420", "127.0.0.1:7420", &[]);
        let answer = |path: &str, site: &str, mode: &str| {
            let request = Request::get(path).header(HOST, "localhost:7420");
            let request = request.header(FETCH_SITE, site).header(FETCH_MODE, mode);
            hosts.check(&request.body(()).unwrap()).map_or_else(|refused| refused.status(), |()| 200)
        };
        for path in ["/v1/locks", "/v1/events", "/openapi.json", "/metrics", "/icon.svg", "/"] {
            for site in ["cross-site", "same-site", ""] {
                assert_eq!(answer(path, site, "no-cors"), 403, "{path} {site}");
            }
            for site in ["same-origin", "none"] {
                assert_eq!(answer(path, site, "no-cors"), 200, "{path} {site}");
            }
        }
        for path in ["/", "/locks", "/locks/orders%2F42", "/events", "/playground"] {
            assert_eq!(answer(path, "cross-site", "navigate"), 200, "a link to {path}");
        }
        assert_eq!(answer("/v1/locks", "cross-site", "navigate"), 403);
    }

    #[test]
    fn what_is_said_twice_is_not_trusted() {
        let hosts = hosts("127.0.0.1:1", "127.0.0.1:1", &[]);
        let request = Request::get("/").header(HOST, "localhost").header(HOST, "evil.example");
        assert_eq!(hosts.check(&request.body(()).unwrap()).unwrap_err().status(), 400);
        let request = Request::get("/").header(HOST, "localhost");
        let request = request.header(ORIGIN, "http://localhost").header(ORIGIN, "http://evil.example");
        assert_eq!(hosts.check(&request.body(()).unwrap()).unwrap_err().status(), 403);
    }
}
