// Generated from the OpenAPI document of dlm-server by `npm run types`. Do not edit.

export interface paths {
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Check that the process is alive */
        get: operations["livez"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the metrics */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get this document */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Check that the server is ready */
        get: operations["readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the event log: a page, or a WebSocket (`dlm.events.v1`) that continues with live events. `after`, `prefix` and `resource` apply to both, `renewals`, `wait_graph` and `batch_ms` to the WebSocket, and the others to the page. `newest` reads backwards, from the end or from `before`. `kind` takes several, separated by commas; `principal` matches grants to a principal and force-releases by it; `from` is inclusive, `to` exclusive. With `batch_ms` above 0, live events come at most once in this time, and those that come together are one WebSocket message, a line for each */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hold-statistics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get how long locks were held: of each, the last 100 leases that ended. `resource` is given 1 to 100 times. Locks that the caller may not observe are left out */
        get: operations["hold_statistics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List locks, ordered by name. `contains` leaves the names with this part, in any case of ASCII letters. A request looks at a bounded number of names, so then a page may have fewer locks than there are, even none, and `next` nevertheless */
        get: operations["list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the status of a lock */
        get: operations["status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/acquire": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Acquire the lock, or wait for it */
        post: operations["acquire"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel an acquire, whether it waits or was granted */
        post: operations["cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Check whether a fencing token belongs to a live lease */
        post: operations["check"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get who holds a lock, who is next, and how long that may take. With `owner`, also how long the first waiter of that owner may still have to wait; with `principal`, of that principal alone */
        get: operations["explain"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/force-release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End the lease of another holder */
        post: operations["force_release"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Release the lease */
        post: operations["release"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/renew": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Renew the lease */
        post: operations["renew"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/locks/{name}/request-release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask the holder of a lease to let go of it, and force-release the lease at the deadline if asked to */
        post: operations["request_release"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get a summary of all locks */
        get: operations["overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/owners": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List owners with what they hold, wait for and block. `contains` and `prefix` filter owners, the former in any case; `principal` leaves those of that principal */
        get: operations["owners"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/owners/{owner}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what an owner holds and waits for; with `principal`, of that principal alone. An empty owner is that of all acquires without one */
        get: operations["owner"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/principals/{principal}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what a principal holds and waits for, whatever owners its acquires gave. The anonymous principal has no name, and can't be asked for */
        get: operations["principal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/renew": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Renew up to 1,000 leases */
        post: operations["renew_many"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Open a WebSocket (`dlm.session.v1`) for many concurrent operations: each frame is a `SessionRequest`, its reply has the same `id` and one member of `SessionBody`. The server sends `LeaseEnded` and `ReleaseNotice` on its own */
        get: operations["session"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/state": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the locks that were held or waited for at an instant, with `owner` by that owner, as far as the event log tells; without `at`, now. They are ordered by name, or with `longest_waits_first` by when the first waiter was enqueued */
        get: operations["state"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tickets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Get a ticket that opens one WebSocket, for callers that can't send headers with it: send it as the subprotocol `dlm.ticket.` and the ticket, besides that of the socket */
        post: operations["tickets"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/wait-graph": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get who blocks whom: the locks that are waited for, what their holders wait for themselves, and possible deadlocks */
        get: operations["wait_graph"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/whoami": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get who the caller is and what it may do */
        get: operations["whoami"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A role on the resources below a prefix. */
        AccessRule: {
            /**
             * Format: int64
             * @description The maximum number of live leases.
             */
            max_leases?: number | null;
            /**
             * Format: int64
             * @description The maximum TTL, in milliseconds.
             */
            max_ttl_ms?: number | null;
            /**
             * Format: int64
             * @description The maximum wait, in milliseconds.
             */
            max_wait_ms?: number | null;
            /**
             * Format: int64
             * @description The maximum number of waiters.
             */
            max_waiters?: number | null;
            /**
             * @description The names that it covers: whole segments, so `orders` and `orders/` cover
             *     `orders` and `orders/42` but not `orders2`. Empty: all names.
             */
            prefix: string;
            /**
             * Format: int32
             * @description The maximum number of requests per second, at each server.
             */
            requests_per_second?: number | null;
            /** @description What the rule allows. */
            role: components["schemas"]["Role"];
        };
        /**
         * @description The body of an acquire. All fields are optional.
         *
         *     ```
         *     use dlm_protocol::{AcquireRequest, Mode};
         *
         *     let request: AcquireRequest = serde_json::from_str(r#"{"wait_ms": 5000}"#)?;
         *     assert_eq!(request.mode, Mode::Exclusive);
         *     assert_eq!(request.ttl_ms.as_millis(), 30_000);
         *     # Ok::<_, serde_json::Error>(())
         *     ```
         */
        AcquireRequest: {
            /**
             * @description Key-value pairs that are shown with the lease.
             * @default {}
             */
            metadata: components["schemas"]["Metadata"];
            /**
             * @description The lock mode.
             * @default exclusive
             */
            mode: components["schemas"]["Mode"];
            /**
             * @description A display name for the caller.
             * @default
             */
            owner: components["schemas"]["Owner"];
            /**
             * @description The TTL of the lease, in milliseconds.
             * @default 30000
             */
            ttl_ms: components["schemas"]["Ttl"];
            /**
             * @description How long to wait in the queue, in milliseconds, counted from the first
             *     request with this key. With 0 the acquire fails at once when the lock is
             *     held.
             * @default 0
             */
            wait_ms: components["schemas"]["Wait"];
        };
        /** @description A lock with waiters. */
        BlockedLock: {
            /**
             * Format: int64
             * @description Number of waiters, here and in other queues, that can't go on before the lock is
             *     released.
             */
            blocked: number;
            /**
             * Format: int64
             * @description Number of holders.
             */
            holder_count: number;
            /** @description The first ten holders. */
            holders: components["schemas"]["Blocker"][];
            /** @description When the first waiter was enqueued. */
            oldest_enqueued_at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Number of waiters in its queue.
             */
            queue_len: number;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /** @description A holder of a lock that others wait for. */
        Blocker: {
            /** @description When the lease was granted. */
            acquired_at: components["schemas"]["Timestamp"];
            checked_at?: components["schemas"]["Timestamp"] | null;
            /** @description When the lease expires unless it is renewed. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /**
             * @description The principal that holds the lease; absent if it was granted without
             *     authentication.
             */
            principal?: string | null;
            waits_for?: components["schemas"]["ResourceName"] | null;
        };
        /**
         * @description The effect of a cancel.
         * @enum {string}
         */
        CancelOutcome: "cancelled" | "released" | "none";
        /** @description The reply to a cancel. */
        Cancelled: {
            /** @description The effect of the cancel. */
            outcome: components["schemas"]["CancelOutcome"];
        };
        /** @description The body of a check, for a storage that cannot keep a fence itself. */
        CheckRequest: {
            /** @description The fencing token to check, as received with a write. */
            fencing_token: components["schemas"]["FencingToken"];
        };
        /** @description The reply to a check. */
        Checked: {
            /** @description The resource's token counter. Raise a fence to this value. */
            current_token: components["schemas"]["FencingToken"];
            /** @description Whether a live lease has this token. */
            live: boolean;
            mode?: components["schemas"]["Mode"] | null;
        };
        /** @description A resource with waiters. */
        ContendedLock: {
            acquired_at?: components["schemas"]["Timestamp"] | null;
            /**
             * Format: int64
             * @description Number of holders.
             */
            holder_count: number;
            mode?: components["schemas"]["Mode"] | null;
            /** @description When the first waiter was enqueued. */
            oldest_enqueued_at: components["schemas"]["Timestamp"];
            /** @description The owner of the first holder; empty if there is none. */
            owner: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description Number of waiters.
             */
            queue_len: number;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /** @description A holder in a [`PossibleDeadlock`]. */
        DeadlockedHolder: {
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /**
             * @description The principal that holds the lease; absent if it was granted without
             *     authentication.
             */
            principal?: string | null;
            /** @description The lock that it holds. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description Why a lease or a wait ended.
         * @enum {string}
         */
        EndReason: "released" | "expired" | "force_released" | "cancelled" | "away" | "unknown";
        /** @description A waiter, and how long it may still have to wait. */
        EstimatedWait: components["schemas"]["QueuedWaiter"] & {
            /**
             * Format: int64
             * @description In how many milliseconds it may be granted: after the holders and the waiters ahead of it have
             *     each held the lock as long as usual. Null without statistics, if a holder waits for another lock,
             *     and for a waiter that is away.
             */
            estimated_wait_ms?: number | null;
        };
        /** @description One change of one resource, as recorded in the event log. */
        Event: {
            /** @description The instant of the event. */
            at: components["schemas"]["Timestamp"];
            /** @description In force-releases: the principal of the operator; absent without authentication. */
            by?: string | null;
            /** @description The resource's token counter after the event. */
            current_token: components["schemas"]["FencingToken"];
            /** @description Pass it as `after` to resume behind this event. */
            cursor: string;
            expires_at?: components["schemas"]["Timestamp"] | null;
            fencing_token?: components["schemas"]["FencingToken"] | null;
            /** @description The kind of event. */
            kind: components["schemas"]["EventKind"];
            /** @description The mode of the lease or waiter concerned. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /**
             * @description In grants: the principal that holds the lease; absent if it was granted without
             *     authentication.
             */
            principal?: string | null;
            /**
             * Format: int64
             * @description The length of the queue after the event.
             */
            queue_len: number;
            /**
             * @description The operator's reason for a force-release, or `away` for a waiter that
             *     lost its place.
             */
            reason?: string | null;
            /** @description The resource that changed. */
            resource: components["schemas"]["ResourceName"];
            ttl_ms?: components["schemas"]["Ttl"] | null;
            /** @enum {string} */
            type: "event";
            /**
             * Format: int64
             * @description The resource's version after the event. Every event of the resource
             *     increments it by one.
             */
            version: number;
            /**
             * Format: int64
             * @description In a grant that ended a wait: the length of the wait, in milliseconds.
             */
            waited_ms?: number | null;
            /** @description The waiter, in its events and in the grant that ended its wait. */
            waiter_id?: string | null;
        };
        /**
         * @description The kind of an event.
         * @enum {string}
         */
        EventKind: "queued" | "granted" | "released" | "expired" | "force_released" | "cancelled" | "wait_timed_out";
        /** @description A position in the event stream to resume from. */
        EventMark: {
            cursor: string;
            /** @enum {string} */
            type: "synced" | "bookmark";
        };
        /** @description A page of the event log. */
        EventPage: {
            /** @description Pass it as `after` to get the next page. */
            cursor: string;
            /** @description The events in log order. */
            events: components["schemas"]["Event"][];
            searched_from?: components["schemas"]["Timestamp"] | null;
            /** @description Of the newest events, if older ones may match: pass it as `before` to get them. */
            start?: string | null;
        };
        /** @description A lease that expired without being released. */
        ExpiredLease: {
            /** @description When the lease expired. */
            at: components["schemas"]["Timestamp"];
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /** @description The resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description Who holds a lock, who is next, and how long it may take.
         *
         *     Times to come are estimates: they follow from past holds of the lock, and nothing keeps a holder from
         *     holding it longer.
         */
        Explanation: {
            /** @description The deciding clock's time of this answer. */
            at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description In how many milliseconds the holders may have let go: the median of past holds, less the time
             *     held so far; 0 if that has passed. Null if the lock is free, without statistics, and if a holder
             *     waits for another lock.
             */
            estimated_release_in_ms?: number | null;
            hold?: components["schemas"]["HoldStatistics"] | null;
            /**
             * Format: int64
             * @description Number of holders.
             */
            holder_count: number;
            /** @description The first holders, at most 100. */
            holders: components["schemas"]["Blocker"][];
            /**
             * @description Who would be granted the lock if all holders let go now: one exclusive waiter, or several
             *     shared ones, of which the first ten are shown. Waiters that are away are passed over.
             */
            next: components["schemas"]["QueuedWaiter"][];
            /**
             * Format: int64
             * @description Number of waiters.
             */
            queue_len: number;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
            waiter?: components["schemas"]["EstimatedWait"] | null;
        };
        /**
         * Format: int64
         * @description The fencing token of a grant. Later grants of a resource have larger tokens.
         *
         *     Pass it to the storage with every write. A storage that rejects tokens
         *     smaller than the largest it has seen rejects writes of stale holders. The
         *     tokens of *exclusive* leases order their holders; those of shared leases
         *     only identify them.
         */
        FencingToken: number;
        /**
         * @description The body of a force-release. It ends one particular lease, never its
         *     successor.
         */
        ForceReleaseRequest: {
            /** @description The fencing token of the lease to end. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The reason. It is recorded in the event log. */
            reason: components["schemas"]["Reason"];
        };
        /** @description The reply to a force-release. */
        ForceReleased: {
            /** @description The token counter right after it was incremented, before the next grant. */
            current_token: components["schemas"]["FencingToken"];
            /** @description The lease that ended. */
            released: components["schemas"]["Holder"];
        };
        /** @description How long a lock was held: of the last 100 leases that ended, as far as the event log tells. */
        HoldStatistics: {
            /**
             * Format: int64
             * @description The longest, in milliseconds.
             */
            max_ms: number;
            /**
             * Format: int64
             * @description The median, in milliseconds.
             */
            p50_ms: number;
            /**
             * Format: int64
             * @description The 95th percentile, in milliseconds.
             */
            p95_ms: number;
            /** @description Each of them in milliseconds, in the order in which they ended. */
            recent_ms: number[];
            /**
             * Format: int32
             * @description Number of leases, 1 to 100.
             */
            samples: number;
            /** @description When the first of them was granted. */
            since: components["schemas"]["Timestamp"];
        };
        /** @description How long several locks were held. */
        HoldStatisticsList: {
            /** @description The deciding clock's time of this answer. */
            at: components["schemas"]["Timestamp"];
            /** @description The locks that were asked for and may be observed, in the order of the request. */
            locks: components["schemas"]["LockHolds"][];
        };
        /** @description A lease as others see it, without the lease id. */
        Holder: {
            /** @description When the lease was granted. */
            acquired_at: components["schemas"]["Timestamp"];
            /** @description When the lease expires unless it is renewed. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description The fencing token of the grant. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The metadata as given in the acquire. */
            metadata: components["schemas"]["Metadata"];
            /** @description The lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /**
             * @description The principal that holds the lease; absent if it was granted without
             *     authentication.
             */
            principal?: string | null;
            release_requested?: components["schemas"]["PendingRelease"] | null;
            /** @description The TTL of the current term, in milliseconds. */
            ttl_ms: components["schemas"]["Ttl"];
        };
        /**
         * @description An idempotency key: 1 to 255 visible ASCII characters.
         *
         *     It identifies one acquire across retries. A key is scoped to a principal and
         *     a resource. Prefer time-ordered keys such as UUIDv7: they stay close
         *     together in the server's index, where random keys cost several times as much
         *     once the index is large.
         *
         *     ```
         *     use dlm_protocol::IdempotencyKey;
         *
         *     assert!("job-7:attempt".parse::<IdempotencyKey>().is_ok());
         *     assert!("with space".parse::<IdempotencyKey>().is_err());
         *     ```
         *
         *     The maximum is 255 bytes of UTF-8, not characters.
         */
        IdempotencyKey: string;
        /** @description A lease as its holder sees it. */
        Lease: {
            /** @description When the lease was granted. */
            acquired_at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description A lower bound of the time from the arrival of this request to the start
             *     of the current term, in milliseconds. Negative for a retry, whose term
             *     started before the request. The instant at which the client sent the
             *     request plus `elapsed_ms` is the earliest possible start of the term on
             *     the client's clock.
             */
            elapsed_ms: number;
            /** @description When the lease expires unless it is renewed. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description The fencing token of the grant. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The capability to renew and release the lease. Keep it secret. */
            lease_id: components["schemas"]["LeaseId"];
            /** @description The metadata as given in the acquire. */
            metadata: components["schemas"]["Metadata"];
            /** @description The lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            release_requested?: components["schemas"]["PendingRelease"] | null;
            /** @description The locked resource. */
            resource: components["schemas"]["ResourceName"];
            /** @description The TTL of the current term, in milliseconds. */
            ttl_ms: components["schemas"]["Ttl"];
        };
        /** @description A lease that expired or was force-released. */
        LeaseEnded: {
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description `expired` or `force_released`. */
            reason: components["schemas"]["EndReason"];
            /** @description The resource that was locked. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description The capability to renew and release one lease.
         *
         *     Opaque and unguessable. Possession of it is what makes a holder, so only the
         *     holder receives it: its `Debug` is redacted and it has no `Display`.
         */
        LeaseId: string;
        /**
         * @description A wait-for graph in the event stream. Sent live only: it has no cursor and is not in the event
         *     log.
         */
        LiveWaitGraph: {
            /** @enum {string} */
            type: "wait_graph";
            /** @description The graph of all locks in sight, with the locks that block the most waiters. */
            wait_graph: components["schemas"]["WaitGraph"];
        };
        /** @description How long a lock was held. */
        LockHolds: {
            hold?: components["schemas"]["HoldStatistics"] | null;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /** @description A page of a list, ordered by the bytes of the name. */
        LockPage: {
            /**
             * @description To follow the list, subscribe to events after the cursor of its *first*
             *     page.
             */
            cursor: string;
            /** @description The resources, without their waiters. */
            locks: components["schemas"]["LockStatus"][];
            /** @description Pass it as `after` to get the next page; null on the last page. */
            next?: string | null;
        };
        /**
         * @description Whether a resource is held.
         * @enum {string}
         */
        LockState: "free" | "held";
        /** @description The state of one resource. */
        LockStatus: {
            /** @description The token counter. */
            current_token: components["schemas"]["FencingToken"];
            /**
             * @description Subscribe to events after this cursor to follow the resource. In a list
             *     it is the cursor of the page.
             */
            cursor?: string | null;
            /**
             * Format: int64
             * @description The number of holders.
             */
            holder_count: number;
            /** @description The first 100 holders, in the order of their tokens. */
            holders: components["schemas"]["Holder"][];
            mode?: components["schemas"]["Mode"] | null;
            oldest_enqueued_at?: components["schemas"]["Timestamp"] | null;
            /**
             * Format: int64
             * @description The length of the queue.
             */
            queue_len: number;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
            /** @description Whether it is held. */
            state: components["schemas"]["LockState"];
            /**
             * Format: int64
             * @description The version. Every event of the resource increments it by one.
             */
            version: number;
            /** @description The first 100 waiters in FIFO order. Absent in lists. */
            waiters?: components["schemas"]["Waiter"][] | null;
        };
        /** @description A current wait. */
        LongWait: {
            /** @description When the wait started. */
            enqueued_at: components["schemas"]["Timestamp"];
            /** @description The requested mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /** @description The resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description Key-value pairs that are shown with a lease: a flat object of strings, at
         *     most 4 KiB of keys and values in total.
         */
        Metadata: {
            [key: string]: string;
        };
        /**
         * @description The lock mode.
         * @enum {string}
         */
        Mode: "exclusive" | "shared";
        /** @description A summary of all locks for monitoring. */
        Overview: {
            /** @description The deciding clock's time of this overview. */
            at: components["schemas"]["Timestamp"];
            /** @description The ten resources with the longest queues, longest first. */
            contended: components["schemas"]["ContendedLock"][];
            /**
             * @description The ten most recently expired leases of the last five minutes, newest
             *     first.
             */
            expired: components["schemas"]["ExpiredLease"][];
            /**
             * Format: int64
             * @description Number of resources that are held.
             */
            held: number;
            /**
             * Format: int64
             * @description Number of live leases.
             */
            leases: number;
            /**
             * Format: int64
             * @description Number of current waits of more than 30 s.
             */
            long_wait_count: number;
            /** @description The ten longest of them, longest first. */
            long_waits: components["schemas"]["LongWait"][];
            oldest_wait?: components["schemas"]["LongWait"] | null;
            /**
             * @description Event counts of each of the last full seconds, oldest first. Up to 300;
             *     fewer if there were too many events to read that far back.
             */
            seconds: components["schemas"]["OverviewSecond"][];
            /**
             * Format: int64
             * @description The server calls it a trouble if a lock that others wait for is held for this long, in
             *     milliseconds; absent if it doesn't.
             */
            trouble_hold_ms?: number | null;
            /**
             * Format: int64
             * @description The server calls a wait of this length a trouble, in milliseconds; absent from servers
             *     that don't tell.
             */
            trouble_wait_ms?: number | null;
            /**
             * Format: int64
             * @description Median length of the waits that ended in a grant within the last minute,
             *     in milliseconds; null if there were none.
             */
            wait_p50_ms?: number | null;
            /**
             * Format: int64
             * @description 95th percentile of the same waits, in milliseconds.
             */
            wait_p95_ms?: number | null;
            /**
             * Format: int64
             * @description Number of waiters in all queues.
             */
            waiting: number;
        };
        /** @description Event counts of one second. */
        OverviewSecond: {
            /** @description The start of the second. */
            at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Waiters that left the queue or lost their place.
             */
            cancelled: number;
            /**
             * Format: int64
             * @description Leases that expired.
             */
            expired: number;
            /**
             * Format: int64
             * @description Leases that were force-released.
             */
            force_released: number;
            /**
             * Format: int64
             * @description Leases that were granted.
             */
            granted: number;
            /**
             * Format: int64
             * @description Acquires that were enqueued.
             */
            queued: number;
            /**
             * Format: int64
             * @description Leases that were released by their holders.
             */
            released: number;
            /**
             * Format: int64
             * @description Median length of the waits that ended in a grant, in milliseconds; null
             *     if there were none.
             */
            wait_p50_ms?: number | null;
            /**
             * Format: int64
             * @description 95th percentile of the same waits, in milliseconds.
             */
            wait_p95_ms?: number | null;
            /**
             * Format: int64
             * @description Waits that timed out.
             */
            wait_timed_out: number;
        };
        /** @description A lease of an owner or a principal. */
        OwnedLease: components["schemas"]["Blocker"] & {
            /**
             * Format: int64
             * @description Number of waiters, here and in other queues, that can't go on before the lock is
             *     released.
             */
            blocked: number;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /** @description A waiter of an owner or a principal. */
        OwnedWait: {
            /** @description When the waiter was enqueued. */
            enqueued_at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Number of holders.
             */
            holder_count: number;
            /** @description The first ten holders. */
            holders: components["schemas"]["Blocker"][];
            /** @description The requested lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner?: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description Place in the queue, counted from 1.
             */
            position: number;
            /** @description The principal of the acquire; absent without authentication. */
            principal?: string | null;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description A display name for the caller of an acquire: at most 256 bytes, no control
         *     characters. It is not authenticated.
         *
         *     The maximum is 256 bytes of UTF-8, not characters.
         */
        Owner: string;
        /** @description What an owner holds and waits for. */
        OwnerDetails: {
            /** @description The deciding clock's time of this answer. */
            at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Number of waiters that wait for a lock that it holds, directly or through others.
             */
            blocked: number;
            /** @description Whether everything in use was looked at, and all of the owner is shown. */
            complete: boolean;
            /**
             * Format: int64
             * @description Number of live leases.
             */
            hold_count: number;
            /** @description Its leases, those that block the most waiters first; at most 1,000. */
            holds: components["schemas"]["OwnedLease"][];
            /** @description The owner. */
            owner: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description Number of waiters.
             */
            wait_count: number;
            /** @description Its waiters, the oldest first; at most 1,000. */
            waits: components["schemas"]["OwnedWait"][];
        };
        /**
         * @description A page of owners: those that block the most waiters first, then those with the most leases and
         *     waiters, then by name.
         */
        OwnerPage: {
            /** @description The deciding clock's time of this answer. */
            at: components["schemas"]["Timestamp"];
            /**
             * @description Whether everything in use was looked at. Otherwise there was more than one request may read: all
             *     counts are lower bounds, and owners may be missing.
             */
            complete: boolean;
            /** @description Cursor of the next page; null on the last page. */
            next?: string | null;
            /** @description The owners. */
            owners: components["schemas"]["OwnerSummary"][];
        };
        /** @description An owner, as given in acquires, of a principal. It proves nothing: several tasks may give the same. */
        OwnerSummary: {
            /**
             * Format: int64
             * @description Number of waiters that wait for a lock that it holds, directly or through others.
             */
            blocked: number;
            /**
             * Format: int64
             * @description Number of live leases.
             */
            holds: number;
            oldest_enqueued_at?: components["schemas"]["Timestamp"] | null;
            oldest_held_at?: components["schemas"]["Timestamp"] | null;
            /** @description The owner; empty for all acquires that gave none. */
            owner: components["schemas"]["Owner"];
            /** @description The principal; absent without authentication. */
            principal?: string | null;
            /**
             * Format: int64
             * @description Number of waiters.
             */
            waits: number;
        };
        /** @description A holder of a lock at an instant of the past. */
        PastHolder: {
            acquired_at?: components["schemas"]["Timestamp"] | null;
            expires_at?: components["schemas"]["Timestamp"] | null;
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /**
             * @description The principal that held the lease; absent if it is not known, or the lease was granted
             *     without authentication.
             */
            principal?: string | null;
            waits_for?: components["schemas"]["ResourceName"] | null;
        };
        /** @description A lock at an instant of the past. */
        PastLock: {
            /**
             * Format: int64
             * @description How many waiters waited for it, directly or because a holder of their lock did. Of more than
             *     1,000 locks with waiters, or 20,000 waiters, only the longest queues are followed.
             */
            blocked?: number;
            /**
             * Format: int64
             * @description Number of holders.
             */
            holder_count: number;
            /** @description The first 100 holders, by fencing token. */
            holders: components["schemas"]["PastHolder"][];
            /**
             * Format: int64
             * @description Number of waiters.
             */
            queue_len: number;
            /** @description The name of the resource. */
            resource: components["schemas"]["ResourceName"];
            /** @description The first ten waiters. */
            waiters: components["schemas"]["PastWaiter"][];
        };
        /**
         * @description The locks as they were at an instant, as far as the event log tells.
         *
         *     The event log has no renewals and no metadata, and not whether a waiter was away.
         */
        PastState: {
            /** @description The instant. */
            at: components["schemas"]["Timestamp"];
            /**
             * @description Whether nothing is missing. Otherwise there was more to read than one request may: what is
             *     shown was so, but other leases and waiters may have been there.
             */
            complete: boolean;
            /**
             * Format: int64
             * @description Number of events that were read, of those in sight that were asked for.
             */
            events_read: number;
            known_since?: components["schemas"]["Timestamp"] | null;
            /**
             * Format: int64
             * @description Number of leases of these locks.
             */
            lease_count: number;
            /**
             * Format: int64
             * @description Number of locks that were held or waited for.
             */
            lock_count: number;
            /** @description These locks in the order of their names, unless another one was asked for; as many as were asked for. */
            locks: components["schemas"]["PastLock"][];
            /** @description The deciding clock's time of this answer. */
            now: components["schemas"]["Timestamp"];
            /** @description Cycles of holders that waited for each other, as far as owners and principals tell, and these are known. */
            possible_deadlocks?: components["schemas"]["PossibleDeadlock"][];
            /**
             * Format: int64
             * @description Number of waiters for these locks.
             */
            waiter_count: number;
        };
        /** @description A waiter at an instant of the past. */
        PastWaiter: {
            enqueued_at?: components["schemas"]["Timestamp"] | null;
            /** @description The requested lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /** @description The principal of the acquire; absent if it is not known, or there was no authentication. */
            principal?: string | null;
        };
        /** @description A request to let go of a lease, as its holder and others see it. */
        PendingRelease: {
            /** @description Until when the holder has to let go. */
            deadline: components["schemas"]["Timestamp"];
            /** @description Whether the lease is force-released at the deadline. */
            force: boolean;
            /** @description Why the holder is asked. */
            reason: string;
            /** @description When the request was made. */
            requested_at: components["schemas"]["Timestamp"];
            /** @description The principal that asks; absent without authentication. */
            requested_by?: string | null;
        };
        /**
         * @description A cycle: each of these holders waits for the lock of the next one, and the last one for that
         *     of the first.
         */
        PossibleDeadlock: {
            /** @description The holders. */
            holders: components["schemas"]["DeadlockedHolder"][];
        };
        /** @description What a principal holds and waits for, whatever owners its acquires gave. */
        PrincipalDetails: {
            /** @description The deciding clock's time of this answer. */
            at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Number of waiters that wait for a lock that it holds, directly or through others.
             */
            blocked: number;
            /** @description Whether everything in use was looked at, and all of the principal is shown. */
            complete: boolean;
            /**
             * Format: int64
             * @description Number of live leases.
             */
            hold_count: number;
            /** @description Its leases, those that block the most waiters first; at most 1,000. */
            holds: components["schemas"]["OwnedLease"][];
            /**
             * Format: int64
             * @description Number of owners with a live lease or a waiter.
             */
            owner_count: number;
            /** @description Its owners, those that block the most waiters first; at most 100. */
            owners: components["schemas"]["OwnerSummary"][];
            /** @description The name of the principal. */
            principal: string;
            /**
             * Format: int64
             * @description Number of waiters.
             */
            wait_count: number;
            /** @description Its waiters, the oldest first; at most 1,000. */
            waits: components["schemas"]["OwnedWait"][];
        };
        /** @description An error as defined by RFC 9457 (`application/problem+json`). */
        Problem: {
            /** @description The code, for programs. */
            code: components["schemas"]["ProblemCode"];
            /** @description An explanation of this occurrence, for people. */
            detail: string;
            /** @description `lock-held`, `wait-timeout`, `holder-changed`: the current holders. */
            holders?: components["schemas"]["Holder"][] | null;
            /**
             * Format: int64
             * @description `lock-held`, `wait-timeout`: the length of the queue.
             */
            queue_len?: number | null;
            quota?: components["schemas"]["Quota"] | null;
            reason?: components["schemas"]["EndReason"] | null;
            /** @description The id of the request, as in the server's log. */
            request_id: string;
            required?: components["schemas"]["Role"] | null;
            /**
             * Format: int64
             * @description `lock-held`, `wait-timeout`, `unavailable`, `quota-exceeded`: how long
             *     to wait before a retry, in milliseconds.
             */
            retry_after_ms?: number | null;
            /**
             * Format: int32
             * @description The HTTP status code.
             */
            status: number;
            /** @description A short summary, the same for every problem with this code. */
            title: string;
            /** @description `/problems/<code>`. */
            type: string;
        };
        /**
         * @description The code of a problem. Programs match on it.
         * @enum {string}
         */
        ProblemCode: "invalid-request" | "invalid-name" | "invalid-cursor" | "cursor-expired" | "lock-held" | "wait-timeout" | "lease-ended" | "not-holder" | "holder-changed" | "idempotency-key-reused" | "unauthenticated" | "forbidden" | "not-found" | "method-not-allowed" | "host-not-allowed" | "origin-not-allowed" | "unsupported-media-type" | "body-too-large" | "upgrade-required" | "request-timeout" | "quota-exceeded" | "unavailable" | "internal-error" | "other";
        /**
         * @description The reply to an acquire that is still queued after the server held the
         *     request open for the maximum time. Send the same request with this key to
         *     continue waiting.
         */
        Queued: {
            /** @description The current holders. */
            holders: components["schemas"]["Holder"][];
            /** @description The key for the next request. */
            idempotency_key: components["schemas"]["IdempotencyKey"];
            /**
             * Format: int64
             * @description The position in the queue; 1 is the head.
             */
            position: number;
            /**
             * Format: int64
             * @description The length of the queue.
             */
            queue_len: number;
        };
        /** @description A waiter in a queue. */
        QueuedWaiter: {
            /** @description When the waiter was enqueued. */
            enqueued_at: components["schemas"]["Timestamp"];
            /** @description The requested lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description Place in the queue, counted from 1.
             */
            position: number;
            /** @description The principal of the acquire; absent without authentication. */
            principal?: string | null;
        };
        /**
         * @description What a principal may have or do only so much of.
         * @enum {string}
         */
        Quota: "leases" | "waiters" | "requests" | "sessions" | "subscribers" | "connections" | "other";
        /**
         * @description Why an operator force-releases a lease: 1 to 1,024 bytes, not blank, no
         *     control characters.
         *
         *     The maximum is 1024 bytes of UTF-8, not characters.
         */
        Reason: string;
        /** @description The message of a session that tells a holder that it is asked to let go. */
        ReleaseNotice: components["schemas"]["PendingRelease"] & {
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The locked resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /** @description The body of a release. */
        ReleaseRequest: {
            /** @description The id of the lease. */
            lease_id: components["schemas"]["LeaseId"];
        };
        /** @description The reply to a release. */
        Released: {
            /** @description The fencing token of the released lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description Always true. A failed release is a problem instead. */
            released: boolean;
        };
        /** @description One lease of a renewal of several. */
        RenewItem: {
            /** @description The id of the lease. */
            lease_id: components["schemas"]["LeaseId"];
            /** @description The locked resource. */
            resource: components["schemas"]["ResourceName"];
            ttl_ms?: components["schemas"]["Ttl"] | null;
        };
        /** @description The body of a renewal of several leases, at most 1,000. */
        RenewManyRequest: {
            /** @description The leases. The results come in the same order. */
            leases: components["schemas"]["RenewItem"][];
        };
        /** @description The body of a renewal of one lease. */
        RenewRequest: {
            /** @description The id of the lease. */
            lease_id: components["schemas"]["LeaseId"];
            ttl_ms?: components["schemas"]["Ttl"] | null;
        };
        /** @description The result for one lease of a renewal of several. */
        RenewResult: {
            /** @description Renewed: the lease with its new term. */
            lease: components["schemas"]["Lease"];
        } | {
            /** @description Not renewed: the reason. */
            problem: components["schemas"]["Problem"];
        };
        /**
         * @description A renewal of a lease. Sent live only: it has no cursor and is not in the
         *     event log.
         */
        Renewal: {
            /** @description When the lease expires unless it is renewed again. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The locked resource. */
            resource: components["schemas"]["ResourceName"];
            /** @enum {string} */
            type: "renewed";
        };
        /** @description The reply to a renewal of several leases. */
        Renewed: {
            /** @description One result per lease, in the order of the request. */
            results: components["schemas"]["RenewResult"][];
        };
        /** @description The body of a request that asks the holder of a lease to let go of it. */
        RequestReleaseRequest: {
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description Whether to force-release the lease when that time is over. */
            force?: boolean;
            /** @description The reason. The holder gets it. */
            reason: components["schemas"]["Reason"];
            /** @description How long the holder has to let go, in milliseconds. */
            within_ms: components["schemas"]["Within"];
        };
        /**
         * @description The reply to a request that asks a holder to let go. A repeat with the same token gets that of
         *     the first one.
         */
        RequestedRelease: {
            /** @description Until when the holder has to let go. */
            deadline: components["schemas"]["Timestamp"];
            /** @description The fencing token of the lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description Whether the lease is force-released at the deadline. */
            forced: boolean;
            /** @description When the request was made. */
            requested_at: components["schemas"]["Timestamp"];
            /** @description The locked resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description The name of a resource that can be locked.
         *
         *     1 to 256 bytes of UTF-8 without control and bidirectional formatting
         *     characters, and neither `.` nor `..`. Names are case-sensitive and have no
         *     hierarchy: `a`, `a/b` and `A` are three independent resources. Cloning is
         *     cheap.
         *
         *     ```
         *     use dlm_protocol::ResourceName;
         *
         *     let name: ResourceName = "orders/42".parse()?;
         *     assert_eq!(name.as_str(), "orders/42");
         *     assert!("".parse::<ResourceName>().is_err());
         *     # Ok::<_, dlm_protocol::InvalidValue>(())
         *     ```
         *
         *     The maximum is 256 bytes of UTF-8, not characters.
         */
        ResourceName: string;
        /**
         * @description What a rule allows. Each role includes those before it.
         * @enum {string}
         */
        Role: "observe" | "lock" | "admin" | "other";
        /** @description The content of a reply: its member besides `id`. */
        SessionBody: {
            /** @description To an acquire or a renewal of one lease. */
            lease: components["schemas"]["Lease"];
        } | {
            /** @description To a renewal of several leases, in the order of the request. */
            results: components["schemas"]["RenewResult"][];
        } | {
            /** @description To a release. */
            released: components["schemas"]["Released"];
        } | {
            /** @description To a cancel. */
            cancel: components["schemas"]["Cancelled"];
        } | {
            /** @description To a check. */
            check: components["schemas"]["Checked"];
        } | {
            /** @description To a status. */
            status: components["schemas"]["LockStatus"];
        } | {
            /** @description To an acquire that waits. Its actual reply comes later. */
            queued: components["schemas"]["SessionQueued"];
        } | {
            /** @description To an operation that failed. */
            problem: components["schemas"]["Problem"];
        };
        /**
         * @description The operation of a session request.
         * @enum {string}
         */
        SessionOp: "acquire" | "cancel" | "renew" | "release" | "check" | "status";
        /** @description The place of a waiting acquire in the queue. */
        SessionQueued: {
            /**
             * Format: int64
             * @description The position in the queue; 1 is the head.
             */
            position: number;
            /**
             * Format: int64
             * @description The length of the queue.
             */
            queue_len: number;
        };
        /**
         * @description One operation. It has the fields of the operation's HTTP body, `resource`
         *     (except for a renewal of several leases), and for acquire and cancel
         *     `idempotency_key`. All other fields are absent. An acquire without a key gets
         *     one from the server; its waiter leaves the queue when the socket breaks.
         *
         *     ```
         *     use dlm_protocol::{SessionOp, SessionRequest};
         *
         *     let frame = r#"{"id": 7, "op": "release", "resource": "orders/42", "lease_id": "abc"}"#;
         *     let request: SessionRequest = serde_json::from_str(frame)?;
         *     assert_eq!((request.id, request.op), (7, SessionOp::Release));
         *     # Ok::<_, serde_json::Error>(())
         *     ```
         */
        SessionRequest: {
            fencing_token?: components["schemas"]["FencingToken"] | null;
            /**
             * Format: int64
             * @description A number chosen by the caller. The reply has the same one.
             */
            id: number;
            idempotency_key?: components["schemas"]["IdempotencyKey"] | null;
            lease_id?: components["schemas"]["LeaseId"] | null;
            leases?: components["schemas"]["RenewItem"][] | null;
            metadata?: components["schemas"]["Metadata"] | null;
            mode?: components["schemas"]["Mode"] | null;
            /** @description The operation. */
            op: components["schemas"]["SessionOp"];
            owner?: components["schemas"]["Owner"] | null;
            resource?: components["schemas"]["ResourceName"] | null;
            ttl_ms?: components["schemas"]["Ttl"] | null;
            wait_ms?: components["schemas"]["Wait"] | null;
        };
        /**
         * @description Which resources a list contains.
         * @enum {string}
         */
        StateFilter: "held" | "waiting" | "all";
        /**
         * @description Authenticates one WebSocket upgrade of its principal, for callers that cannot send
         *     headers with it. Its `Debug` is redacted.
         */
        Ticket: {
            /** @description When it expires. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description The ticket. Send it as a subprotocol, after [`TICKET_PROTOCOL_PREFIX`]. */
            ticket: string;
        };
        /**
         * @description What a ticket opens.
         * @enum {string}
         */
        TicketPurpose: "session" | "events";
        /** @description The body of a request for a ticket. */
        TicketRequest: {
            /** @description What the ticket is for. */
            purpose: components["schemas"]["TicketPurpose"];
        };
        /**
         * Format: date-time
         * @description An instant on the deciding clock. On the wire it is RFC 3339 in UTC with
         *     milliseconds; in memory it has microseconds.
         */
        Timestamp: string;
        /**
         * Format: int64
         * @description The TTL of a lease, counted from its grant or last renewal: 100 ms to one
         *     day, in whole milliseconds. The default is 30 s.
         */
        Ttl: number;
        /**
         * Format: int64
         * @description How long an acquire may wait in the queue: 0 to one day, in whole
         *     milliseconds. With 0, the default, it fails at once when the lock is held.
         */
        Wait: number;
        /**
         * @description The wait-for graph: which locks are waited for, by whom they are held, and what these wait for themselves.
         *
         *     Who holds one lock and waits for another is known by principal and owner. An owner proves
         *     nothing, so a deadlock is only a possible one. An empty owner, one that waits for several
         *     locks at once, and one that waits for a lock that it also holds, identifies nobody.
         */
        WaitGraph: {
            /** @description The deciding clock's time of this answer. */
            at: components["schemas"]["Timestamp"];
            /**
             * @description Whether all queues were looked at. Otherwise they were the longest ones, and links to
             *     others are missing.
             */
            complete: boolean;
            /** @description The locks that block the most waiters, in this order. */
            locks: components["schemas"]["BlockedLock"][];
            /** @description Cycles of holders that wait for each other. Each lock is in one of them at most. */
            possible_deadlocks: components["schemas"]["PossibleDeadlock"][];
        };
        /** @description A queued acquire. */
        Waiter: {
            /** @description Whether the waiter is away: no server holds a request of it open. */
            away: boolean;
            /** @description When the wait times out. */
            deadline: components["schemas"]["Timestamp"];
            /** @description When the waiter was enqueued. */
            enqueued_at: components["schemas"]["Timestamp"];
            /** @description The lock mode. */
            mode: components["schemas"]["Mode"];
            /** @description The owner as given in the acquire. */
            owner: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description The position in the queue; 1 is the head.
             */
            position: number;
            /** @description The principal of the acquire; absent without authentication. */
            principal?: string | null;
            /**
             * @description Identifies the waiter, also in events. It is public and grants no
             *     access.
             */
            waiter_id: string;
        };
        /**
         * @description The caller, as the server knows it.
         *
         *     ```
         *     use dlm_protocol::{Role, WhoAmI};
         *
         *     let reply = r#"{"principal": "api", "rules": [{"role": "lock", "prefix": "orders/"}], "expires_at": null}"#;
         *     let me: WhoAmI = serde_json::from_str(reply)?;
         *     assert_eq!((me.principal.as_str(), me.rules[0].role), ("api", Role::Lock));
         *     # Ok::<_, serde_json::Error>(())
         *     ```
         */
        WhoAmI: {
            expires_at?: components["schemas"]["Timestamp"] | null;
            /** @description The name of the principal; empty if the server does not authenticate. */
            principal: string;
            /** @description What the principal may do. */
            rules: components["schemas"]["AccessRule"][];
        };
        /**
         * Format: int64
         * @description How long a holder that is asked to let go has: one second to one hour, in whole
         *     milliseconds.
         */
        Within: number;
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    livez: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is alive */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Prometheus text, or OpenMetrics if the client accepts it */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                    "text/plain": string;
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1 */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is ready */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It is not ready */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    events: {
        parameters: {
            query?: {
                after?: string;
                prefix?: string;
                resource?: string;
                limit?: number;
                newest?: boolean;
                before?: string;
                kind?: string;
                owner?: string;
                principal?: string;
                from?: components["schemas"]["Timestamp"];
                to?: components["schemas"]["Timestamp"];
                renewals?: boolean;
                wait_graph?: boolean;
                batch_ms?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The event stream: each message is an `Event`, an `EventMark`, a `Renewal` or a `LiveWaitGraph` */
            101: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A page */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventPage"];
                };
            };
            /** @description The cursor was not issued for this log */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The cursor is older than the log */
            410: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    hold_statistics: {
        parameters: {
            query?: {
                resource?: components["schemas"]["ResourceName"][];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The statistics, in the order of the request */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HoldStatisticsList"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list: {
        parameters: {
            query?: {
                prefix?: string;
                contains?: string;
                state?: components["schemas"]["StateFilter"];
                limit?: number;
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LockPage"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The status */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LockStatus"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    acquire: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: components["schemas"]["IdempotencyKey"];
            };
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["AcquireRequest"];
            };
        };
        responses: {
            /** @description The lease */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Lease"];
                };
            };
            /** @description Still queued; repeat the request with its key to keep waiting */
            202: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Queued"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lease or wait of this key has ended */
            409: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The key was used with other parameters */
            422: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lock is held, or the wait timed out */
            423: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancel: {
        parameters: {
            query?: never;
            header: {
                "Idempotency-Key": components["schemas"]["IdempotencyKey"];
            };
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The effect of the cancel */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Cancelled"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    check: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CheckRequest"];
            };
        };
        responses: {
            /** @description Whether the lease is live, and the current token */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Checked"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    explain: {
        parameters: {
            query?: {
                owner?: string;
                principal?: string;
            };
            header?: never;
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The holders, the next ones, and estimates from past holds */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Explanation"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    force_release: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ForceReleaseRequest"];
            };
        };
        responses: {
            /** @description The lease that was ended; a repeat returns the same */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ForceReleased"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No live lease has that token */
            409: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    release: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReleaseRequest"];
            };
        };
        responses: {
            /** @description The lease was released; a repeat returns the same */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Released"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lease id was never issued for this resource, or the caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lease had expired or was force-released */
            410: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    renew: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RenewRequest"];
            };
        };
        responses: {
            /** @description The lease with its new term */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Lease"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lease id was never issued for this resource, or the caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lease has ended */
            410: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    request_release: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The resource name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RequestReleaseRequest"];
            };
        };
        responses: {
            /** @description The request; a repeat with the same token returns that of the first one */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RequestedRelease"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No live lease has that token */
            409: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    overview: {
        parameters: {
            query?: {
                seconds?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The overview */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Overview"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    owners: {
        parameters: {
            query?: {
                contains?: string;
                prefix?: string;
                principal?: string;
                limit?: number;
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The owners that block the most waiters first */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OwnerPage"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    owner: {
        parameters: {
            query?: {
                principal?: string;
            };
            header?: never;
            path: {
                /** @description The owner as one percent-encoded segment, which may be empty */
                owner: components["schemas"]["Owner"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The leases and waiters of the owner */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OwnerDetails"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    principal: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The name of the principal as one percent-encoded segment */
                principal: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The owners, leases and waiters of the principal */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PrincipalDetails"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    renew_many: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RenewManyRequest"];
            };
        };
        responses: {
            /** @description One result per lease, in request order */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Renewed"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session */
            101: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is not an upgrade */
            426: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    state: {
        parameters: {
            query?: {
                at?: components["schemas"]["Timestamp"];
                prefix?: string;
                owner?: string;
                longest_waits_first?: boolean;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The locks */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PastState"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    tickets: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TicketRequest"];
            };
        };
        responses: {
            /** @description The ticket */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ticket"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not plain `application/json` */
            415: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The caller has too many open tickets, or a quota is used up */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    wait_graph: {
        parameters: {
            query?: {
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The locks that block the most waiters first */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WaitGraph"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    whoami: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The principal, its rules, and when its credential expires */
            200: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WhoAmI"];
                };
            };
            /** @description The request is malformed, or a value is out of range */
            400: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing, unknown or expired */
            401: {
                headers: {
                    /** @description `Bearer`, with `error` if a token was sent */
                    "WWW-Authenticate": string;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request comes from a page of another origin, or its caller lacks a right */
            403: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and query are too long */
            414: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server does not accept requests for this host */
            421: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A quota of the caller or of its address is used up; repeat it after `Retry-After` */
            429: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The headers are too many or too long */
            431: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server failed to process the request */
            500: {
                headers: {
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The server can't process the request now; repeat it after `Retry-After` */
            503: {
                headers: {
                    /** @description Seconds until a repeat can succeed */
                    "Retry-After": number;
                    /** @description The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters */
                    "x-request-id": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
