//! What everyone may do: the table that the whole matrix is made from.

use dlm_protocol::{Role, SessionOp};

/// An operation of the API.
#[derive(Clone)]
pub(super) struct Verb {
    /// The method, the path and the id that the OpenAPI document has for it.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) needs: Needs,
    /// The query parameter that can name a resource or a prefix.
    pub(super) parameter: Option<&'static str>,
    /// The members of the body, which are also those of a frame. `NAME` stands for the
    /// resource as a JSON string.
    pub(super) members: Option<&'static str>,
    /// The operation of a frame, for verbs that sessions have too.
    pub(super) op: Option<SessionOp>,
    /// The statuses of a request that is allowed.
    pub(super) allowed: &'static [u16],
}

/// What a caller needs for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// Any credential.
    Credential,
    /// The right to observe anything. The reply has only what the caller may observe.
    Sight,
    /// The right to observe anything, and the name of a resource. The reply has only what the
    /// caller may observe.
    SightOfNames,
    /// The right to observe everything.
    FullSight,
    /// A role on the resource that the path, the parameter or the frame names.
    Resource(Role),
    /// A role on each resource of the body, decided one by one.
    EachResource(Role),
}

const fn row(id: &'static str, method: &'static str, path: &'static str, needs: Needs) -> Verb {
    Verb { method, path, id, needs, parameter: None, members: None, op: None, allowed: &[200] }
}

/// All operations.
pub(super) static VERBS: &[Verb] = &[
    Verb {
        members: Some(r#""ttl_ms": 600000"#),
        op: Some(SessionOp::Acquire),
        allowed: &[200, 423],
        ..row("acquire", "POST", "/v1/locks/{name}/acquire", Needs::Resource(Role::Lock))
    },
    Verb {
        members: Some(""),
        op: Some(SessionOp::Cancel),
        ..row("cancel", "POST", "/v1/locks/{name}/cancel", Needs::Resource(Role::Lock))
    },
    // No lease has this id, so who may renew is not the holder.
    Verb {
        members: Some(r#""lease_id": "unknown""#),
        op: Some(SessionOp::Renew),
        allowed: &[403],
        ..row("renew", "POST", "/v1/locks/{name}/renew", Needs::Resource(Role::Lock))
    },
    Verb {
        members: Some(r#""leases": [{"resource": NAME, "lease_id": "unknown"}]"#),
        op: Some(SessionOp::Renew),
        ..row("renew_many", "POST", "/v1/renew", Needs::EachResource(Role::Lock))
    },
    Verb {
        members: Some(r#""lease_id": "unknown""#),
        op: Some(SessionOp::Release),
        allowed: &[403],
        ..row("release", "POST", "/v1/locks/{name}/release", Needs::Resource(Role::Lock))
    },
    // No lease has this token.
    Verb {
        members: Some(r#""fencing_token": 9000000000, "reason": "test""#),
        allowed: &[409],
        ..row("force_release", "POST", "/v1/locks/{name}/force-release", Needs::Resource(Role::Admin))
    },
    Verb {
        members: Some(r#""fencing_token": 9000000000, "reason": "test", "within_ms": 1000"#),
        allowed: &[409],
        ..row("request_release", "POST", "/v1/locks/{name}/request-release", Needs::Resource(Role::Admin))
    },
    Verb {
        members: Some(r#""fencing_token": 1"#),
        op: Some(SessionOp::Check),
        ..row("check", "POST", "/v1/locks/{name}/check", Needs::Resource(Role::Lock))
    },
    Verb {
        op: Some(SessionOp::Status),
        ..row("status", "GET", "/v1/locks/{name}", Needs::Resource(Role::Observe))
    },
    Verb { parameter: Some("prefix"), ..row("list", "GET", "/v1/locks", Needs::Sight) },
    Verb {
        parameter: Some("resource"),
        ..row("events", "GET", "/v1/events", Needs::Resource(Role::Observe))
    },
    row("overview", "GET", "/v1/overview", Needs::Sight),
    row("wait_graph", "GET", "/v1/wait-graph", Needs::Sight),
    row("explain", "GET", "/v1/locks/{name}/explain", Needs::Resource(Role::Observe)),
    Verb {
        parameter: Some("resource"),
        ..row("hold_statistics", "GET", "/v1/hold-statistics", Needs::SightOfNames)
    },
    Verb { parameter: Some("prefix"), ..row("state", "GET", "/v1/state", Needs::Sight) },
    row("owners", "GET", "/v1/owners", Needs::Sight),
    row("owner", "GET", "/v1/owners/{owner}", Needs::Sight),
    row("principal", "GET", "/v1/principals/{principal}", Needs::Sight),
    // Not a request for a WebSocket.
    Verb { allowed: &[426], ..row("session", "GET", "/v1/session", Needs::Credential) },
    row("whoami", "GET", "/v1/whoami", Needs::Credential),
    Verb {
        members: Some(r#""purpose": "events""#),
        ..row("tickets", "POST", "/v1/tickets", Needs::Credential)
    },
    row("livez", "GET", "/livez", Needs::Nothing),
    row("readyz", "GET", "/readyz", Needs::Nothing),
    row("metrics", "GET", "/metrics", Needs::FullSight),
    row("openapi", "GET", "/openapi.json", Needs::Credential),
];

/// The verb with this id.
pub(super) fn verb(id: &str) -> &'static Verb {
    VERBS.iter().find(|verb| verb.id == id).expect("a verb")
}

/// A principal with one rule, or with none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Principal {
    pub(super) name: &'static str,
    pub(super) rule: Option<(Role, Prefix)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Everything,
    /// `a`, and what is below it.
    A,
    /// `ab`, and what is below it.
    Ab,
}

pub(super) const PRINCIPALS: [Principal; 6] = [
    Principal { name: "nobody", rule: None },
    Principal { name: "observer", rule: Some((Role::Observe, Prefix::A)) },
    Principal { name: "locker", rule: Some((Role::Lock, Prefix::A)) },
    Principal { name: "admin", rule: Some((Role::Admin, Prefix::A)) },
    Principal { name: "neighbor", rule: Some((Role::Admin, Prefix::Ab)) },
    Principal { name: "root", rule: Some((Role::Admin, Prefix::Everything)) },
];

/// A resource name as a path or a query has it, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) text: &'static str,
    /// `None` if it is not a resource name.
    pub(super) name: Option<&'static str>,
    /// The only prefix below the empty one that it is in.
    pub(super) within: Option<Prefix>,
}

const fn within(text: &'static str, name: &'static str, prefix: Prefix) -> Segment {
    Segment { text, name: Some(name), within: Some(prefix) }
}

const fn elsewhere(text: &'static str, name: &'static str) -> Segment {
    Segment { text, name: Some(name), within: None }
}

const fn invalid(text: &'static str) -> Segment {
    Segment { text, name: None, within: None }
}

pub(super) static SEGMENTS: &[Segment] = &[
    within("a", "a", Prefix::A),
    within("%61", "a", Prefix::A),
    within("a%2Fb", "a/b", Prefix::A),
    within("%61%2f%62", "a/b", Prefix::A),
    within("a%2F", "a/", Prefix::A),
    within("a%2F%2Fb", "a//b", Prefix::A),
    within("a%2Fab", "a/ab", Prefix::A),
    // Names have no hierarchy, so these two are below `a` as any other.
    within("a%2F..%2Fb", "a/../b", Prefix::A),
    within("a%2F%2E%2E%2Fab", "a/../ab", Prefix::A),
    // Decoded once.
    within("a%2F%2562", "a/%62", Prefix::A),
    within("ab", "ab", Prefix::Ab),
    within("%61%62", "ab", Prefix::Ab),
    within("ab%2Fa", "ab/a", Prefix::Ab),
    elsewhere("b", "b"),
    elsewhere("abc", "abc"),
    elsewhere("A", "A"),
    elsewhere("%41%2Fb", "A/b"),
    elsewhere("b%2F..%2Fa", "b/../a"),
    elsewhere("..%2Fa", "../a"),
    elsewhere("%2E%2E%2Fa", "../a"),
    elsewhere("%2Fa", "/a"),
    elsewhere("%2F%2Fa", "//a"),
    elsewhere("a%252Fb", "a%2Fb"),
    elsewhere("%2561", "%61"),
    elsewhere("%252561", "%2561"),
    elsewhere("a%5Cb", "a\\b"),
    elsewhere("a;b", "a;b"),
    elsewhere("a.", "a."),
    elsewhere("%20a", " a"),
    elsewhere("a%20", "a "),
    // A Cyrillic letter, also as bytes that are not encoded.
    elsewhere("%D0%B0", "\u{430}"),
    elsewhere("\u{430}", "\u{430}"),
    elsewhere("%D0%B0%2Fb", "\u{430}/b"),
    // A full-width letter, and other slashes.
    elsewhere("%EF%BD%81", "\u{ff41}"),
    elsewhere("a%E2%88%95b", "a\u{2215}b"),
    elsewhere("a%EF%BC%8Fb", "a\u{ff0f}b"),
    // An accent as a character of its own, and composed.
    elsewhere("a%CC%80", "a\u{300}"),
    elsewhere("%C3%A0", "\u{e0}"),
    invalid(""),
    invalid("."),
    invalid("%2e%2E"),
    invalid("%"),
    invalid("a%2"),
    invalid("a%00"),
    // A slash that is longer than it has to be.
    invalid("a%C0%AFb"),
    invalid("a%0D%0Ab"),
];

/// Names that are unlike each other, by their texts.
pub(super) const TYPICAL: [&str; 7] = ["a", "%61", "a%2Fb", "ab", "%2561", "%D0%B0", "%"];

/// What a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Allowed,
    Unauthenticated,
    /// The resource has no valid name.
    Invalid,
    Forbidden(Role),
    /// The request is allowed, and its one item is not.
    ForbiddenItem(Role),
}

impl Principal {
    fn role_on(&self, segment: &Segment) -> Option<Role> {
        let (role, prefix) = self.rule?;
        (prefix == Prefix::Everything || segment.within == Some(prefix)).then_some(role)
    }

    /// Whether it may observe a resource.
    pub(super) fn sees(&self, name: &str) -> bool {
        match self.rule {
            None => false,
            Some((_, Prefix::Everything)) => true,
            Some((_, prefix)) => {
                SEGMENTS.iter().any(|segment| segment.name == Some(name) && segment.within == Some(prefix))
            }
        }
    }

    /// What its request gets. `segment` is the resource that it is for, if it is for one.
    pub(super) fn expected(&self, verb: &Verb, segment: Option<&Segment>) -> Expected {
        let lacks = |role| segment.is_some_and(|segment| self.role_on(segment) < Some(role));
        let is_named = verb.needs == Needs::SightOfNames;
        let valid = segment.map_or(!is_named, |segment| segment.name.is_some());
        match verb.needs {
            Needs::Nothing | Needs::Credential => Expected::Allowed,
            _ if !valid => Expected::Invalid,
            Needs::Resource(role) if lacks(role) => Expected::Forbidden(role),
            // Without a resource it is a page of what the caller may observe.
            Needs::Resource(role) if segment.is_none() && self.rule.is_none() => Expected::Forbidden(role),
            Needs::EachResource(role) if lacks(role) => Expected::ForbiddenItem(role),
            Needs::Sight | Needs::SightOfNames if self.rule.is_none() => Expected::Forbidden(Role::Observe),
            Needs::FullSight if self.rule.is_none_or(|(_, prefix)| prefix != Prefix::Everything) => {
                Expected::Forbidden(Role::Observe)
            }
            Needs::Resource(_)
            | Needs::EachResource(_)
            | Needs::Sight
            | Needs::SightOfNames
            | Needs::FullSight => Expected::Allowed,
        }
    }
}
