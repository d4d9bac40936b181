//! Callers with credentials of every kind, and without.

use super::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::auth::{Credentials, Rules};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn named(name: &str) -> Principal {
    Principal::named(name.into())
}

/// `api` has two tokens, the second of which expires, and a certificate; `ops` has
/// one of each.
fn policy(change: impl FnOnce(&mut Credentials)) -> Policy {
    let mut credentials = Credentials::default();
    let mut add = |token: &str, name, expires_at| {
        credentials.add_token(Digest::of(token.as_bytes()), named(name), expires_at);
    };
    add("one", "api", None);
    add("two", "api", Some(at(100)));
    add("three", "ops", None);
    for (name, principal) in [("api.example.org", "api"), ("ops.example.org", "ops")] {
        credentials.add_certificate(CertificateName::parse(name).unwrap(), named(principal));
    }
    change(&mut credentials);
    let rules = ["api", "ops"].map(|name| (Arc::from(name), Arc::new(Rules::everything())));
    Policy::new(HashMap::from(rules)).with_credentials(credentials)
}

fn caller(headers: &[&str], names: Option<&[&str]>, now: u64) -> Result<Authentication, Unauthenticated> {
    let certificate = names.map(|names| ClientCertificate {
        names: names.iter().map(ToString::to_string).collect(),
        not_after: at(200),
    });
    let headers = headers.iter().map(|header| header.as_bytes());
    Authentication::of(&policy(|_| {}), headers, certificate.as_ref(), at(now))
}

#[test]
fn a_token_or_a_certificate_names_the_principal() {
    let name = |caller: Result<Authentication, _>| caller.unwrap().principal().name().to_string();
    assert_eq!(name(caller(&["Bearer one"], None, 0)), "api");
    assert_eq!(name(caller(&["bEARER  two"], None, 99)), "api");
    assert_eq!(name(caller(&[], Some(&["other", "API.example.org"]), 0)), "api");
    assert_eq!(name(caller(&["Bearer one"], Some(&["api.example.org"]), 0)), "api");
    // A certificate that names nobody says nothing.
    assert_eq!(name(caller(&["Bearer three"], Some(&["gateway.example.org"]), 0)), "ops");
    assert_eq!(caller(&["Bearer two"], None, 0).unwrap().expires_at(), Some(at(100)));
}

#[test]
fn everything_else_is_unauthenticated() {
    use Unauthenticated as U;
    let long = format!("Bearer {}", "x".repeat(MAX_HEADER));
    for (headers, names, error) in [
        (&[][..], None, U::Missing),
        (&["Bearer one", "Bearer one"], None, U::Several),
        (&["Bearer unknown"], None, U::UnknownToken),
        // The digest of a token is no token.
        (&["Bearer 7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"], None, U::UnknownToken),
        (&["Bearer a.b.c"], None, U::UnknownToken),
        (&["Bearer "], None, U::Malformed),
        (&["Bearer"], None, U::Malformed),
        (&[""], None, U::Malformed),
        (&["one"], None, U::Malformed),
        (&["Basic one"], None, U::Malformed),
        (&["Bearer one two"], None, U::Malformed),
        (&["Bearer one, Bearer two"], None, U::Malformed),
        (&["Bearer \u{f6}ne"], None, U::Malformed),
        (&[long.as_str()], None, U::Malformed),
        (&["Bearer two"], None, U::ExpiredToken { of: named("api") }),
        (&["Bearer three"], Some(&["api.example.org"][..]), U::Contradiction),
        (&["Bearer unknown"], Some(&["api.example.org"]), U::UnknownToken),
        (&[], Some(&["gateway.example.org", "*.example.org", ""]), U::UnknownCertificate),
        (&[], Some(&["api.example.org", "ops.example.org"]), U::AmbiguousCertificate),
    ] {
        assert_eq!(caller(headers, names, 100), Err(error), "{headers:?}");
    }
    assert_eq!(caller(&[], Some(&["api.example.org"]), 200), Err(U::ExpiredCertificate { of: named("api") }));
    assert_eq!(
        caller(&["Bearer one"], Some(&["api.example.org"]), 200),
        Err(U::ExpiredCertificate { of: named("api") })
    );
}

#[test]
fn without_authentication_everyone_is_anonymous_whatever_they_send() {
    let of = |headers: &[&'static [u8]]| {
        Authentication::of(&Policy::open(), headers.iter().copied(), None, at(0)).unwrap()
    };
    for headers in [&[][..], &[b"Bearer one".as_slice()], &[b"Basic \xff".as_slice(), b""]] {
        assert_eq!(of(headers), Authentication::anonymous());
    }
    let anonymous = Authentication::anonymous();
    assert!(anonymous.again(&Policy::open(), at(0)).is_some());
    assert!(anonymous.again(&policy(|_| {}), at(0)).is_none());
}

#[test]
fn a_credential_is_valid_as_long_as_the_policy_has_it_for_its_principal() {
    let by_token = caller(&["Bearer one"], None, 0).unwrap();
    let by_both = caller(&["Bearer two"], Some(&["api.example.org"]), 0).unwrap();
    let expiry = |caller: &Authentication, policy: &Policy, now| {
        caller.again(policy, at(now)).map(|caller| caller.expires_at())
    };
    let same = policy(|_| {});
    assert_eq!(expiry(&by_token, &same, 1000), Some(None));
    assert_eq!(expiry(&by_both, &same, 99), Some(Some(at(100))));
    assert_eq!(expiry(&by_both, &same, 100), None);
    let token = |token: &str, name: &'static str, expires_at| {
        let digest = Digest::of(token.as_bytes());
        policy(|credentials| credentials.add_token(digest, named(name), expires_at))
    };
    assert_eq!(expiry(&by_token, &token("one", "ops", None), 0), None);
    assert_eq!(expiry(&by_token, &token("one", "api", Some(at(50))), 0), Some(Some(at(50))));
    assert_eq!(expiry(&by_both, &token("two", "api", None), 199), Some(Some(at(200))));
    assert_eq!(expiry(&by_both, &token("two", "api", None), 200), None);
    let moved = policy(|credentials| {
        credentials.add_certificate(CertificateName::parse("api.example.org").unwrap(), named("ops"));
    });
    assert_eq!(expiry(&by_both, &moved, 0), None);
    assert_eq!(expiry(&by_token, &moved, 0), Some(None));
    assert_eq!(expiry(&by_token, &Policy::new(HashMap::new()), 0), None);
}

#[test]
fn debug_output_shows_no_token() {
    let text = format!("{:?}", caller(&["Bearer three"], None, 0).unwrap());
    let digest = Digest::of(b"three").to_hex();
    assert!(text.contains("ops") && !text.contains("three") && !text.contains(&digest[..6]), "{text}");
}
