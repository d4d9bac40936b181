//! The descriptions of the routes.

use crate::http::route::Route;

/// The description of a route.
pub(super) struct RouteDescription {
    pub(super) summary: &'static str,
    /// The schema of the request body.
    pub(super) body: Option<&'static str>,
    /// Status, description and schema of each response.
    pub(super) responses: &'static [(&'static str, &'static str, &'static str)],
    pub(super) query: &'static [&'static str],
    /// Whether the `Idempotency-Key` header is required; `None` if the route does
    /// not take it.
    pub(super) key: Option<bool>,
}

const NO_QUERY: &[&str] = &[];

pub(super) fn describe(route: Route) -> RouteDescription {
    let of =
        |summary, body, responses| RouteDescription { summary, body, responses, query: NO_QUERY, key: None };
    match route {
        Route::Acquire => RouteDescription {
            key: Some(false),
            ..of(
                "Acquire the lock, or wait for it",
                Some("AcquireRequest"),
                &[
                    ("200", "The lease", "Lease"),
                    ("202", "Still queued; repeat the request with its key to keep waiting", "Queued"),
                    ("409", "The lease or wait of this key has ended", "Problem"),
                    ("422", "The key was used with other parameters", "Problem"),
                    ("423", "The lock is held, or the wait timed out", "Problem"),
                ],
            )
        },
        Route::Cancel => RouteDescription {
            key: Some(true),
            ..of(
                "Cancel an acquire, whether it waits or was granted",
                None,
                &[("200", "The effect of the cancel", "Cancelled")],
            )
        },
        Route::Renew => of(
            "Renew the lease",
            Some("RenewRequest"),
            &[
                ("200", "The lease with its new term", "Lease"),
                (
                    "403",
                    "The lease id was never issued for this resource, or the caller lacks a right",
                    "Problem",
                ),
                ("410", "The lease has ended", "Problem"),
            ],
        ),
        Route::RenewMany => of(
            "Renew up to 1,000 leases",
            Some("RenewManyRequest"),
            &[("200", "One result per lease, in request order", "Renewed")],
        ),
        Route::Release => of(
            "Release the lease",
            Some("ReleaseRequest"),
            &[
                ("200", "The lease was released; a repeat returns the same", "Released"),
                (
                    "403",
                    "The lease id was never issued for this resource, or the caller lacks a right",
                    "Problem",
                ),
                ("410", "The lease had expired or was force-released", "Problem"),
            ],
        ),
        Route::ForceRelease => of(
            "End the lease of another holder",
            Some("ForceReleaseRequest"),
            &[
                ("200", "The lease that was ended; a repeat returns the same", "ForceReleased"),
                ("409", "No live lease has that token", "Problem"),
            ],
        ),
        Route::RequestRelease => of(
            "Ask the holder of a lease to let go of it, and force-release the lease at the deadline if asked to",
            Some("RequestReleaseRequest"),
            &[
                (
                    "200",
                    "The request; a repeat with the same token returns that of the first one",
                    "RequestedRelease",
                ),
                ("409", "No live lease has that token", "Problem"),
            ],
        ),
        Route::Check => of(
            "Check whether a fencing token belongs to a live lease",
            Some("CheckRequest"),
            &[("200", "Whether the lease is live, and the current token", "Checked")],
        ),
        Route::Status => of("Get the status of a lock", None, &[("200", "The status", "LockStatus")]),
        Route::List => RouteDescription {
            query: &["prefix", "contains", "state", "limit", "after"],
            ..of(
                "List locks, ordered by name. `contains` leaves the names with this part, in any case of ASCII \
                 letters. A request looks at a bounded number of names, so then a page may have fewer locks than there are, \
                 even none, and `next` nevertheless",
                None,
                &[("200", "A page", "LockPage")],
            )
        },
        Route::Events => RouteDescription {
            query: &[
                "after",
                "prefix",
                "resource",
                "limit",
                "newest",
                "before",
                "kind",
                "owner",
                "principal",
                "from",
                "to",
                "renewals",
                "wait_graph",
                "batch_ms",
            ],
            ..of(
                "Read the event log: a page, or a WebSocket (`dlm.events.v1`) that continues with live events. \
                 `after`, `prefix` and `resource` apply to both, `renewals`, `wait_graph` and `batch_ms` to the WebSocket, \
                 and the others to the page. `newest` reads backwards, from the end or from `before`. `kind` takes several, \
                 separated by commas; `principal` matches grants to a principal and force-releases by it; `from` is inclusive, `to` exclusive. \
                 With `batch_ms` above 0, live events come at most once in this time, and those that come together are one \
                 WebSocket message, a line for each",
                None,
                &[
                    ("200", "A page", "EventPage"),
                    (
                        "101",
                        "The event stream: each message is an `Event`, an `EventMark`, a `Renewal` or a `LiveWaitGraph`",
                        "",
                    ),
                    ("400", "The cursor was not issued for this log", "Problem"),
                    ("410", "The cursor is older than the log", "Problem"),
                ],
            )
        },
        Route::WaitGraph => RouteDescription {
            query: &["limit"],
            ..of(
                "Get who blocks whom: the locks that are waited for, what their holders wait for themselves, and \
                 possible deadlocks",
                None,
                &[("200", "The locks that block the most waiters first", "WaitGraph")],
            )
        },
        Route::Explain => RouteDescription {
            query: &["owner", "principal"],
            ..of(
                "Get who holds a lock, who is next, and how long that may take. With `owner`, also how long the first \
                 waiter of that owner may still have to wait; with `principal`, of that principal alone",
                None,
                &[("200", "The holders, the next ones, and estimates from past holds", "Explanation")],
            )
        },
        Route::HoldStatistics => RouteDescription {
            query: &["resource"],
            ..of(
                "Get how long locks were held: of each, the last 100 leases that ended. `resource` is given 1 to 100 \
                 times. Locks that the caller may not observe are left out",
                None,
                &[("200", "The statistics, in the order of the request", "HoldStatisticsList")],
            )
        },
        Route::Owners => RouteDescription {
            query: &["contains", "prefix", "principal", "limit", "after"],
            ..of(
                "List owners with what they hold, wait for and block. `contains` and `prefix` filter owners, the former \
                 in any case; `principal` leaves those of that principal",
                None,
                &[("200", "The owners that block the most waiters first", "OwnerPage")],
            )
        },
        Route::Owner => RouteDescription {
            query: &["principal"],
            ..of(
                "Get what an owner holds and waits for; with `principal`, of that principal alone. An empty owner is \
                 that of all acquires without one",
                None,
                &[("200", "The leases and waiters of the owner", "OwnerDetails")],
            )
        },
        Route::Principal => of(
            "Get what a principal holds and waits for, whatever owners its acquires gave. The anonymous principal \
             has no name, and can't be asked for",
            None,
            &[("200", "The owners, leases and waiters of the principal", "PrincipalDetails")],
        ),
        Route::State => RouteDescription {
            query: &["at", "prefix", "owner", "longest_waits_first", "limit"],
            ..of(
                "Get the locks that were held or waited for at an instant, with `owner` by that owner, as far as the \
                 event log tells; without `at`, now. They are ordered by name, or with `longest_waits_first` by when \
                 the first waiter was enqueued",
                None,
                &[("200", "The locks", "PastState")],
            )
        },
        Route::Overview => RouteDescription {
            query: &["seconds"],
            ..of("Get a summary of all locks", None, &[("200", "The overview", "Overview")])
        },
        Route::Session => of(
            "Open a WebSocket (`dlm.session.v1`) for many concurrent operations: each frame is a `SessionRequest`, \
             its reply has the same `id` and one member of `SessionBody`. The server sends `LeaseEnded` and \
             `ReleaseNotice` on its own",
            None,
            &[("101", "The session", ""), ("426", "The request is not an upgrade", "Problem")],
        ),
        Route::WhoAmI => of(
            "Get who the caller is and what it may do",
            None,
            &[("200", "The principal, its rules, and when its credential expires", "WhoAmI")],
        ),
        Route::Tickets => of(
            "Get a ticket that opens one WebSocket, for callers that can't send headers with it: send it as the \
             subprotocol `dlm.ticket.` and the ticket, besides that of the socket",
            Some("TicketRequest"),
            &[
                ("200", "The ticket", "Ticket"),
                ("429", "The caller has too many open tickets, or a quota is used up", "Problem"),
            ],
        ),
        Route::Livez => of("Check that the process is alive", None, &[("200", "It is alive", "text")]),
        Route::Readyz => of(
            "Check that the server is ready",
            None,
            &[("200", "It is ready", "text"), ("503", "It is not ready", "Problem")],
        ),
        Route::Metrics => of(
            "Get the metrics",
            None,
            &[("200", "Prometheus text, or OpenMetrics if the client accepts it", "metrics")],
        ),
        Route::OpenApi => of("Get this document", None, &[("200", "OpenAPI 3.1", "document")]),
    }
}
