//! The table of routes.

use std::collections::BTreeSet;

use hyper::Method;
use matchit::Router;

/// The variables in paths. A path has one at most.
const VARIABLES: [&str; 3] = ["name", "owner", "principal"];

/// A path and a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Route {
    Acquire,
    Cancel,
    Renew,
    RenewMany,
    Release,
    ForceRelease,
    RequestRelease,
    Check,
    Status,
    List,
    Events,
    WaitGraph,
    Explain,
    HoldStatistics,
    Owners,
    Owner,
    Principal,
    State,
    Overview,
    Session,
    WhoAmI,
    Tickets,
    Livez,
    Readyz,
    Metrics,
    OpenApi,
}

/// All routes.
pub(super) const ROUTES: [(Method, &str, Route); 26] = [
    (Method::POST, "/v1/locks/{name}/acquire", Route::Acquire),
    (Method::POST, "/v1/locks/{name}/cancel", Route::Cancel),
    (Method::POST, "/v1/locks/{name}/renew", Route::Renew),
    (Method::POST, "/v1/locks/{name}/release", Route::Release),
    (Method::POST, "/v1/locks/{name}/force-release", Route::ForceRelease),
    (Method::POST, "/v1/locks/{name}/request-release", Route::RequestRelease),
    (Method::POST, "/v1/locks/{name}/check", Route::Check),
    (Method::GET, "/v1/locks/{name}", Route::Status),
    (Method::GET, "/v1/locks", Route::List),
    (Method::POST, "/v1/renew", Route::RenewMany),
    (Method::GET, "/v1/events", Route::Events),
    (Method::GET, "/v1/wait-graph", Route::WaitGraph),
    (Method::GET, "/v1/locks/{name}/explain", Route::Explain),
    (Method::GET, "/v1/hold-statistics", Route::HoldStatistics),
    (Method::GET, "/v1/owners", Route::Owners),
    (Method::GET, "/v1/owners/{owner}", Route::Owner),
    (Method::GET, "/v1/principals/{principal}", Route::Principal),
    (Method::GET, "/v1/state", Route::State),
    (Method::GET, "/v1/overview", Route::Overview),
    (Method::GET, "/v1/session", Route::Session),
    (Method::GET, "/v1/whoami", Route::WhoAmI),
    (Method::POST, "/v1/tickets", Route::Tickets),
    (Method::GET, "/livez", Route::Livez),
    (Method::GET, "/readyz", Route::Readyz),
    (Method::GET, "/metrics", Route::Metrics),
    (Method::GET, "/openapi.json", Route::OpenApi),
];

impl Route {
    /// Whether its path names a resource.
    pub(super) fn is_on_resource(self) -> bool {
        ROUTES.iter().any(|(_, path, route)| *route == self && path.contains("{name}"))
    }

    /// Whether it is the same for everyone, so that no credential is needed.
    pub(super) const fn is_public(self) -> bool {
        matches!(self, Self::Livez | Self::Readyz)
    }

    /// The route's name in logs and metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Cancel => "cancel",
            Self::Renew => "renew",
            Self::RenewMany => "renew_many",
            Self::Release => "release",
            Self::ForceRelease => "force_release",
            Self::RequestRelease => "request_release",
            Self::Check => "check",
            Self::Status => "status",
            Self::List => "list",
            Self::Events => "events",
            Self::WaitGraph => "wait_graph",
            Self::Explain => "explain",
            Self::HoldStatistics => "hold_statistics",
            Self::Owners => "owners",
            Self::Owner => "owner",
            Self::Principal => "principal",
            Self::State => "state",
            Self::Overview => "overview",
            Self::Session => "session",
            Self::WhoAmI => "whoami",
            Self::Tickets => "tickets",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
            Self::Metrics => "metrics",
            Self::OpenApi => "openapi",
        }
    }
}

/// The methods of one path.
#[derive(Debug, Clone)]
struct Endpoint {
    methods: Vec<(Method, Route)>,
}

/// The result of a lookup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RouteMatch<'a> {
    /// A route, and the name of the resource, owner or principal in its path, still encoded.
    Route(Route, Option<&'a str>),
    /// The path exists, but allows only these methods.
    MethodNotAllowed(String),
    NotFound,
}

impl RouteMatch<'_> {
    /// The name in logs and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Route(route, _) => route.name(),
            Self::MethodNotAllowed(_) | Self::NotFound => "none",
        }
    }

    /// Whether the request only asks how the server is.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self, Self::Route(Route::Livez | Route::Readyz | Route::Metrics, _))
    }

    /// Whether the request renews leases, or ends a lease or a wait of the caller.
    pub(super) fn keeps_or_ends_a_lease(&self) -> bool {
        use Route::{Cancel, Release, Renew, RenewMany};
        matches!(self, Self::Route(Renew | RenewMany | Release | Cancel, _))
    }
}

#[derive(Debug)]
pub(super) struct Routes(Router<Endpoint>);

impl Routes {
    pub(super) fn new() -> Self {
        let mut router = Router::new();
        for path in paths() {
            let methods = ROUTES.iter().filter(|route| route.1 == path);
            let methods: Vec<_> = methods.map(|(method, _, route)| (method.clone(), *route)).collect();
            let endpoint = Endpoint { methods };
            let no_conflict = "the routes do not conflict";
            // An empty name is an invalid name, not an unknown path; an empty owner is one.
            for variable in VARIABLES.map(|variable| format!("{{{variable}}}")) {
                if path.contains(&variable) {
                    router.insert(path.replace(&variable, ""), endpoint.clone()).expect(no_conflict);
                }
            }
            router.insert(path, endpoint).expect(no_conflict);
        }
        Self(router)
    }

    pub(super) fn find<'a>(&self, method: &Method, path: &'a str) -> RouteMatch<'a> {
        let Ok(found) = self.0.at(path) else { return RouteMatch::NotFound };
        // A GET route also handles HEAD, whose response gets no body.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        match found.value.methods.iter().find(|(allowed, _)| allowed == method) {
            Some((_, route)) => RouteMatch::Route(
                *route,
                VARIABLES.into_iter().find_map(|variable| found.params.get(variable)),
            ),
            None => RouteMatch::MethodNotAllowed(allowed(&found.value.methods)),
        }
    }
}

fn paths() -> BTreeSet<&'static str> {
    ROUTES.iter().map(|(_, path, _)| *path).collect()
}

fn allowed(methods: &[(Method, Route)]) -> String {
    let mut allowed: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_reachable_whatever_its_name() {
        let routes = Routes::new();
        for name in ["acquire", "locks", "renew", "orders%2F42", "a.b"] {
            let path = format!("/v1/locks/{name}");
            assert_eq!(routes.find(&Method::GET, &path), RouteMatch::Route(Route::Status, Some(name)));
        }
    }

    #[test]
    fn an_empty_name_still_matches_the_route() {
        let routes = Routes::new();
        let found = routes.find(&Method::POST, "/v1/locks//acquire");
        assert_eq!(found, RouteMatch::Route(Route::Acquire, None));
        assert_eq!(routes.find(&Method::GET, "/v1/locks/"), RouteMatch::Route(Route::Status, None));
        assert_eq!(routes.find(&Method::GET, "/v1/locks"), RouteMatch::Route(Route::List, None));
    }

    #[test]
    fn an_owner_is_one_segment_and_may_be_empty() {
        let routes = Routes::new();
        let find = |path| routes.find(&Method::GET, path);
        assert_eq!(find("/v1/owners"), RouteMatch::Route(Route::Owners, None));
        assert_eq!(find("/v1/owners/"), RouteMatch::Route(Route::Owner, None));
        assert_eq!(find("/v1/owners/a%2Fb"), RouteMatch::Route(Route::Owner, Some("a%2Fb")));
        assert_eq!(find("/v1/owners/a/b"), RouteMatch::NotFound);
        assert_eq!(find("/v1/principals/a"), RouteMatch::Route(Route::Principal, Some("a")));
        assert_eq!(find("/v1/principals/"), RouteMatch::Route(Route::Principal, None));
        assert_eq!(find("/v1/principals"), RouteMatch::NotFound);
        assert!(Route::Explain.is_on_resource() && !Route::Owner.is_on_resource());
    }

    #[test]
    fn a_path_reports_the_methods_it_allows() {
        let routes = Routes::new();
        assert_eq!(
            routes.find(&Method::DELETE, "/v1/locks/a"),
            RouteMatch::MethodNotAllowed("GET, HEAD".into())
        );
        assert_eq!(
            routes.find(&Method::GET, "/v1/locks/a/acquire"),
            RouteMatch::MethodNotAllowed("POST".into())
        );
        assert_eq!(routes.find(&Method::GET, "/v1/lock/a"), RouteMatch::NotFound);
        assert_eq!(routes.find(&Method::HEAD, "/livez"), RouteMatch::Route(Route::Livez, None));
    }
}
