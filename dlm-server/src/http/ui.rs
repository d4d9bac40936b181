//! The pages of the UI, which are embedded in the binary.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::reply_body::ReplyBody;
use super::response::{HttpResponse, Rejection};

#[derive(RustEmbed)]
#[folder = "../dlm-ui/dist"]
#[allow_missing = true]
struct Files;

const PAGE: &str = "index.html";
/// The page of a build without the UI.
const NO_UI: &str = include_str!("no_ui.html");
/// Files whose names contain a hash of their content.
const HASHED: &str = "assets/";

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Handles a path that is no route of the API.
pub(super) fn handle(method: &Method, path: &str, headers: &HeaderMap) -> Result<HttpResponse, Rejection> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(match is_page(path) {
            true => Rejection::method_not_allowed("GET, HEAD".into()),
            false => Rejection::not_found(path),
        });
    }
    let name = path.strip_prefix('/').unwrap_or(path);
    if is_page(path) {
        return Ok(page(Files::get(PAGE), headers));
    }
    match Files::get(name) {
        Some(found) if name != PAGE => Ok(file(found, name, headers)),
        _ if is_address(path, headers) => Ok(page_of_unknown_address(path, headers)),
        _ => Err(Rejection::not_found(path)),
    }
}

/// The UI, which corrects the address of a lock, and else says that there is no such page.
fn page_of_unknown_address(path: &str, headers: &HeaderMap) -> HttpResponse {
    let mut response = page(Files::get(PAGE), headers);
    if !path.starts_with("/locks/") && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// Whether a browser opens this path as a page. What belongs to the API stays JSON.
pub(super) fn is_address(path: &str, headers: &HeaderMap) -> bool {
    let of_api = path == "/v1" || path.starts_with("/v1/");
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    !of_api && !path.starts_with("/assets/") && accepted.any(|accepted| accepted.contains("text/html"))
}

/// Whether the UI has a view or a file at this path.
pub(super) fn serves(path: &str) -> bool {
    let name = path.strip_prefix('/').unwrap_or(path);
    is_page(path) || (name != PAGE && Files::get(name).is_some())
}

/// Whether the UI has a view at this path. All views are served the same page,
/// so that they can be reloaded and linked to.
pub(super) fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/locks" | "/owners" | "/state" | "/events" | "/release" | "/playground")
        || path.strip_prefix("/owners/").is_some_and(|owner| !owner.contains('/'))
        || path.strip_prefix("/locks/").is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

fn page(embedded: Option<EmbeddedFile>, headers: &HeaderMap) -> HttpResponse {
    match embedded {
        Some(page) => file(page, PAGE, headers),
        None => text(NO_UI),
    }
}

fn file(found: EmbeddedFile, name: &str, headers: &HeaderMap) -> HttpResponse {
    let tag = etag(&found.metadata.sha256_hash());
    let mut response = if is_cached(headers, &tag) {
        let mut response = Response::new(ReplyBody::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let body = match found.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Response::new(ReplyBody::from(body))
    };
    let media = found.metadata.mimetype();
    let media = if media.starts_with("text/") && !media.contains("charset") {
        HeaderValue::try_from(format!("{media}; charset=utf-8"))
    } else {
        HeaderValue::try_from(media)
    };
    let caching = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    if let Ok(media) = media {
        headers.insert(CONTENT_TYPE, media);
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    add_security_headers(headers);
    response
}

/// Whether the browser's cached copy is current.
fn is_cached(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or("");
    // A proxy that compresses turns the tag into a weak one.
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn text(page: &'static str) -> HttpResponse {
    let mut response = Response::new(ReplyBody::from(Bytes::from_static(page.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    add_security_headers(headers);
    response
}

/// Lets a page load only from this server, and forbids framing it.
fn add_security_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
}

fn etag(hash: &[u8]) -> String {
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_file_is_not_sent_again() {
        for (known, is) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false)]
        {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(known))]);
            assert_eq!(is_cached(&headers, "\"a\""), is, "{known}");
        }
        assert!(!is_cached(&HeaderMap::new(), "\"a\""));
    }

    #[test]
    fn a_build_without_the_ui_explains_how_to_build_it() {
        let response = page(None, &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], POLICY);
        assert!(NO_UI.contains("npm run build"));
        // The policy forbids inline styles and scripts.
        assert!(!NO_UI.contains("<style") && !NO_UI.contains("<script") && !NO_UI.contains("style="));
    }

    #[test]
    fn a_browser_gets_a_page_at_any_address_but_those_of_the_api() {
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        for (path, accept, is) in [
            ("/lokcs", browser, true),
            ("/locks/orders/42", browser, true),
            ("/healthz", browser, true),
            ("/lokcs", "*/*", false),
            ("/v1/lock/a", browser, false),
            ("/v1", browser, false),
            ("/assets/none.js", browser, false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(is_address(path, &headers), is, "{path}");
        }
    }

    #[test]
    fn only_the_views_of_the_ui_have_pages() {
        let locks = ["/", "/locks", "/locks/orders%2F42", "/locks/a.b"];
        let owners = ["/owners", "/owners/api-7", "/owners/"];
        for path in locks.into_iter().chain(owners).chain(["/state", "/events", "/release", "/playground"]) {
            assert!(is_page(path), "{path}");
        }
        for path in
            ["/v1/locks", "/v1", "/v1/", "/healthz", "/locks/", "/locks/a/b", "/assets/x.js", "/events/"]
        {
            assert!(!is_page(path), "{path}");
        }
    }
}
