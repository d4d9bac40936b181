//! Requests over HTTP, by principals and by others.

use std::sync::Mutex;

use super::callers::{Caller, Fixture};
use super::checks::{Refusals, check};
use super::requests::{Connection, Version};
use super::table::{Expected, Needs, PRINCIPALS, SEGMENTS, Segment, TYPICAL, VERBS, Verb};
use crate::harness::Trust;

/// The resources that a verb is tried on; `None` is none.
fn targets(verb: &Verb, segments: impl Iterator<Item = &'static Segment>) -> Vec<Option<&'static Segment>> {
    let named = verb.path.contains("{name}");
    let segments = segments.filter(|segment| named || segment.name.is_some());
    match (named, verb.parameter, verb.needs) {
        (true, _, _) | (_, _, Needs::EachResource(_)) => segments.map(Some).collect(),
        (false, Some(_), _) => std::iter::once(None).chain(segments.map(Some)).collect(),
        (false, None, _) => vec![None],
    }
}

pub(super) async fn over_http(caller: &Caller<'_>, version: Version, refusals: &Mutex<Refusals>) {
    let connection = caller.connect(version).await;
    for verb in VERBS {
        for segment in targets(verb, caller.segments()) {
            let what = format!("{version:?} {}", caller.what(verb, segment));
            let answer = connection.send(verb, segment).await;
            let expected = caller.principal.expected(verb, segment);
            check(&what, verb, caller.principal, expected, answer.status, &answer.body);
            if matches!(expected, Expected::Forbidden(_) | Expected::ForbiddenItem(_)) {
                refusals.lock().unwrap().add(format!("{version:?} {expected:?}"), answer.shown);
            }
        }
    }
}

/// Without a credential, and with one that nobody has.
pub(super) async fn without_a_principal(fixture: &Fixture, refusals: &Mutex<Refusals>) {
    let trust = Trust::new(&[&fixture.server_authority]);
    let nobody = &PRINCIPALS[0];
    for version in [Version::Http1, Version::Http2] {
        for authorization in [None, Some("Bearer unknown".to_owned())] {
            let kind = format!("{version:?} {authorization:?}");
            let connection = Connection::open(fixture.server.url(), &trust, version, authorization).await;
            for verb in VERBS {
                let expected = match verb.needs {
                    Needs::Nothing => Expected::Allowed,
                    _ => Expected::Unauthenticated,
                };
                let segments = SEGMENTS.iter().filter(|segment| TYPICAL.contains(&segment.text));
                for segment in targets(verb, segments) {
                    let answer = connection.send(verb, segment).await;
                    let what = format!("{kind} {} {segment:?}", verb.id);
                    check(&what, verb, nobody, expected, answer.status, &answer.body);
                    if expected == Expected::Unauthenticated {
                        refusals.lock().unwrap().add(kind.clone(), answer.shown);
                    }
                }
            }
        }
    }
}
