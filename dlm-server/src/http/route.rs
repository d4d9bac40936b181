//! Which address is which operation.

use hyper::Method;
use matchit::Router;

/// What an address and a method ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Route {
    Acquire,
    Cancel,
    Renew,
    RenewMany,
    Release,
    ForceRelease,
    Check,
    Status,
    List,
    Events,
    Overview,
    Session,
    Livez,
    Readyz,
    Metrics,
    OpenApi,
}

/// Every route there is.
pub(super) const ROUTES: [(Method, &str, Route); 16] = [
    (Method::POST, "/v1/locks/{name}/acquire", Route::Acquire),
    (Method::POST, "/v1/locks/{name}/cancel", Route::Cancel),
    (Method::POST, "/v1/locks/{name}/renew", Route::Renew),
    (Method::POST, "/v1/locks/{name}/release", Route::Release),
    (Method::POST, "/v1/locks/{name}/force-release", Route::ForceRelease),
    (Method::POST, "/v1/locks/{name}/check", Route::Check),
    (Method::GET, "/v1/locks/{name}", Route::Status),
    (Method::GET, "/v1/locks", Route::List),
    (Method::POST, "/v1/renew", Route::RenewMany),
    (Method::GET, "/v1/events", Route::Events),
    (Method::GET, "/v1/overview", Route::Overview),
    (Method::GET, "/v1/session", Route::Session),
    (Method::GET, "/livez", Route::Livez),
    (Method::GET, "/readyz", Route::Readyz),
    (Method::GET, "/metrics", Route::Metrics),
    (Method::GET, "/openapi.json", Route::OpenApi),
];

impl Route {
    /// The route's name in logs and metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Cancel => "cancel",
            Self::Renew => "renew",
            Self::RenewMany => "renew_many",
            Self::Release => "release",
            Self::ForceRelease => "force_release",
            Self::Check => "check",
            Self::Status => "status",
            Self::List => "list",
            Self::Events => "events",
            Self::Overview => "overview",
            Self::Session => "session",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
            Self::Metrics => "metrics",
            Self::OpenApi => "openapi",
        }
    }
}

/// What answers at one address.
#[derive(Debug, Clone)]
struct Address {
    methods: Vec<(Method, Route)>,
}

/// What an address and a method lead to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A route, with the name in its path as it was sent.
    Route(Route, Option<&'a str>),
    /// The address answers these methods.
    OtherMethods(String),
    Nothing,
}

#[derive(Debug)]
pub(super) struct Routes(Router<Address>);

impl Routes {
    pub(super) fn new() -> Self {
        let mut router = Router::new();
        for (path, _) in addresses() {
            let methods = ROUTES.iter().filter(|route| route.1 == path);
            let methods: Vec<_> = methods.map(|(method, _, route)| (method.clone(), *route)).collect();
            let address = Address { methods };
            let fits = "the routes don't contradict each other";
            // An empty name is a bad one, not another address.
            if path.contains("{name}") {
                router.insert(path.replace("{name}", ""), address.clone()).expect(fits);
            }
            router.insert(path, address).expect(fits);
        }
        Self(router)
    }

    pub(super) fn find<'a>(&self, method: &Method, path: &'a str) -> Found<'a> {
        let Ok(found) = self.0.at(path) else { return Found::Nothing };
        // What answers GET answers HEAD; the body is left out on the way.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        match found.value.methods.iter().find(|(answered, _)| answered == method) {
            Some((_, route)) => Found::Route(*route, found.params.get("name")),
            None => Found::OtherMethods(allowed(&found.value.methods)),
        }
    }
}

fn addresses() -> std::collections::BTreeMap<&'static str, ()> {
    ROUTES.iter().map(|(_, path, _)| (*path, ())).collect()
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
    fn a_lock_of_any_name_is_reachable() {
        let routes = Routes::new();
        for name in ["acquire", "locks", "renew", "orders%2F42", "a.b"] {
            let path = format!("/v1/locks/{name}");
            assert_eq!(routes.find(&Method::GET, &path), Found::Route(Route::Status, Some(name)));
        }
    }

    #[test]
    fn an_empty_name_is_still_a_name() {
        let routes = Routes::new();
        let found = routes.find(&Method::POST, "/v1/locks//acquire");
        assert_eq!(found, Found::Route(Route::Acquire, None));
        assert_eq!(routes.find(&Method::GET, "/v1/locks/"), Found::Route(Route::Status, None));
        assert_eq!(routes.find(&Method::GET, "/v1/locks"), Found::Route(Route::List, None));
    }

    #[test]
    fn an_address_tells_which_methods_it_answers() {
        let routes = Routes::new();
        assert_eq!(routes.find(&Method::DELETE, "/v1/locks/a"), Found::OtherMethods("GET, HEAD".into()));
        assert_eq!(routes.find(&Method::GET, "/v1/locks/a/acquire"), Found::OtherMethods("POST".into()));
        assert_eq!(routes.find(&Method::GET, "/v1/lock/a"), Found::Nothing);
        assert_eq!(routes.find(&Method::HEAD, "/livez"), Found::Route(Route::Livez, None));
    }
}
