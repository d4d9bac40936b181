// Made from the OpenAPI of dlm-server by `npm run types`.

export interface paths {
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is the process alive? */
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
        /** Prometheus metrics */
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
        /** This document */
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
        /** Can it serve? */
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
        /** The event log: a page, or a WebSocket (`dlm.events.v1`) that goes on; `limit` and `newest` are for the page, `renewals` for the socket */
        get: operations["events"];
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
        /** The locks, by name */
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
        /** One lock */
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
        /** Take the lock, or wait for it */
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
        /** Give up an acquire, wherever it is */
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
        /** Is this the token of a live lease? */
        post: operations["check"];
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
        /** End somebody's lease */
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
        /** End the lease */
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
        /** Begin a new term */
        post: operations["renew"];
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
        /** All locks at a glance */
        get: operations["overview"];
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
        /** Begin new terms of up to 1,000 leases */
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
        /** A WebSocket (`dlm.session.v1`) for many operations at once: a `SessionRequest` a frame, answered by its `id` and one member of `SessionBody`; `LeaseEnded` comes unasked */
        get: operations["session"];
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
        /**
         * @description The body of an acquire. Every field has a default.
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
             * @description Shown beside the lease.
             * @default {}
             */
            metadata: components["schemas"]["Metadata"];
            /**
             * @description Exclusive or shared.
             * @default exclusive
             */
            mode: components["schemas"]["Mode"];
            /**
             * @description Who asks, for people to read.
             * @default
             */
            owner: components["schemas"]["Owner"];
            /**
             * @description How long the lease lives without a renewal.
             * @default 30000
             */
            ttl_ms: components["schemas"]["Ttl"];
            /**
             * @description How long to wait for a turn, counted from the first request with this
             *     key; 0 answers at once.
             * @default 0
             */
            wait_ms: components["schemas"]["Wait"];
        };
        /**
         * @description What a cancel did.
         * @enum {string}
         */
        CancelOutcome: "cancelled" | "released" | "none";
        /** @description The answer to a cancel. */
        Cancelled: {
            /** @description What the cancel did. */
            outcome: components["schemas"]["CancelOutcome"];
        };
        /** @description The body of a check by a storage that can't keep a fence of its own. */
        CheckRequest: {
            /** @description The token that came with a write. */
            fencing_token: components["schemas"]["FencingToken"];
        };
        /** @description The answer to a check. */
        Checked: {
            /** @description The resource's counter: fences are raised to it. */
            current_token: components["schemas"]["FencingToken"];
            /** @description Whether the token is that of a live lease. */
            live: boolean;
            mode?: components["schemas"]["Mode"] | null;
        };
        /** @description A resource that others wait for. */
        ContendedLock: {
            acquired_at?: components["schemas"]["Timestamp"] | null;
            /**
             * Format: int64
             * @description How many hold it.
             */
            holder_count: number;
            mode?: components["schemas"]["Mode"] | null;
            /** @description Since when the first waiter waits. */
            oldest_enqueued_at: components["schemas"]["Timestamp"];
            /** @description The first holder; empty when there is none. */
            owner: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description How many wait.
             */
            queue_len: number;
            /** @description Its name. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description Why a lease or a wait ended.
         * @enum {string}
         */
        EndReason: "released" | "expired" | "force_released" | "cancelled" | "away" | "unknown";
        /** @description One change of one resource, as the event log holds it. */
        Event: {
            /** @description When it happened. */
            at: components["schemas"]["Timestamp"];
            /** @description The resource's counter after the event. */
            current_token: components["schemas"]["FencingToken"];
            /** @description Resume after this one. */
            cursor: string;
            expires_at?: components["schemas"]["Timestamp"] | null;
            fencing_token?: components["schemas"]["FencingToken"] | null;
            /** @description What happened. */
            kind: components["schemas"]["EventKind"];
            /** @description Mode of the lease or waiter concerned. */
            mode: components["schemas"]["Mode"];
            /** @description Who asked. */
            owner: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description How many wait after the event.
             */
            queue_len: number;
            /** @description The operator's reason, or `away` for a waiter that lost its place. */
            reason?: string | null;
            /** @description To which resource. */
            resource: components["schemas"]["ResourceName"];
            ttl_ms?: components["schemas"]["Ttl"] | null;
            /** @enum {string} */
            type: "event";
            /**
             * Format: int64
             * @description One more with every event of the resource.
             */
            version: number;
            /**
             * Format: int64
             * @description In the grant that ended a wait: how long the wait took, in milliseconds.
             */
            waited_ms?: number | null;
            /** @description In a waiter's events, and in the grant that ended its wait. */
            waiter_id?: string | null;
        };
        /**
         * @description What happened.
         * @enum {string}
         */
        EventKind: "queued" | "granted" | "released" | "expired" | "force_released" | "cancelled" | "wait_timed_out";
        /** @description A place in the event stream: resume from here. */
        EventMark: {
            cursor: string;
            /** @enum {string} */
            type: "synced" | "bookmark";
        };
        /** @description A page of the event log. */
        EventPage: {
            /** @description `after` of the next page. */
            cursor: string;
            /** @description The events, in the order of the log. */
            events: components["schemas"]["Event"][];
        };
        /** @description A lease that ran out instead of being released. */
        ExpiredLease: {
            /** @description When it ended. */
            at: components["schemas"]["Timestamp"];
            /** @description Its token. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description Whose it was. */
            owner: components["schemas"]["Owner"];
            /** @description Of which resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * Format: int64
         * @description The fencing token of a grant: a counter of the resource that only grows.
         *
         *     Hand it to the storage with each write; a storage that refuses a token lower
         *     than one it has seen refuses a stale holder. The tokens of *exclusive*
         *     leases order their holders; those of shared leases only identify them.
         */
        FencingToken: number;
        /** @description The body of a force-release: it ends the one lease the operator saw. */
        ForceReleaseRequest: {
            /** @description The token of the lease to end. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description Why, for those who read the event log. */
            reason: components["schemas"]["Reason"];
        };
        /** @description The answer to a force-release. */
        ForceReleased: {
            /** @description The counter right after its bump, before any next grant. */
            current_token: components["schemas"]["FencingToken"];
            /** @description The lease that was ended. */
            released: components["schemas"]["Holder"];
        };
        /** @description A lease, as everyone else sees it: without its id. */
        Holder: {
            /** @description When it was granted. */
            acquired_at: components["schemas"]["Timestamp"];
            /** @description When it ends unless it is renewed. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description The token of this grant. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description What was sent with the acquire. */
            metadata: components["schemas"]["Metadata"];
            /** @description Exclusive or shared. */
            mode: components["schemas"]["Mode"];
            /** @description Who asked. */
            owner: components["schemas"]["Owner"];
            /** @description How long the lease lives from the start of its term. */
            ttl_ms: components["schemas"]["Ttl"];
        };
        /**
         * @description An idempotency key: 1 to 255 visible ASCII characters.
         *
         *     It names one acquire, however often it is sent. A key belongs to the
         *     principal and the resource. Time-ordered keys (UUIDv7) land together in the
         *     server's index; random ones cost several times as much in a large one.
         *
         *     ```
         *     use dlm_protocol::IdempotencyKey;
         *
         *     assert!("job-7:attempt".parse::<IdempotencyKey>().is_ok());
         *     assert!("with space".parse::<IdempotencyKey>().is_err());
         *     ```
         */
        IdempotencyKey: string;
        /** @description A lease, as its holder sees it. */
        Lease: {
            /** @description When it was granted. */
            acquired_at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Never more than the milliseconds from this request's arrival to the
             *     start of the lease's current term; negative for a repeat. Added to the
             *     instant the request was sent, it says when the term began at the
             *     earliest, on the client's own clock.
             */
            elapsed_ms: number;
            /** @description When it ends unless it is renewed. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description The token of this grant. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description The capability to renew and release it. */
            lease_id: components["schemas"]["LeaseId"];
            /** @description What was sent with the acquire. */
            metadata: components["schemas"]["Metadata"];
            /** @description Exclusive or shared. */
            mode: components["schemas"]["Mode"];
            /** @description Who asked. */
            owner: components["schemas"]["Owner"];
            /** @description What is locked. */
            resource: components["schemas"]["ResourceName"];
            /** @description How long the lease lives from the start of its term. */
            ttl_ms: components["schemas"]["Ttl"];
        };
        /** @description A lease that ended without its holder's doing. */
        LeaseEnded: {
            /** @description Which lease it was. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description `expired` or `force_released`. */
            reason: components["schemas"]["EndReason"];
            /** @description What it locked. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description The capability to renew and release one lease.
         *
         *     Opaque and unguessable. Whoever has it is the holder, so it is shown to the
         *     holder alone: its `Debug` is redacted and it has no `Display`.
         */
        LeaseId: string;
        /** @description A page of a list, ordered by the bytes of the name. */
        LockPage: {
            /** @description Watch from the cursor of the *first* page to follow the list. */
            cursor: string;
            /** @description The resources, without their waiters. */
            locks: components["schemas"]["LockStatus"][];
            /** @description `after` of the next page; null on the last. */
            next?: string | null;
        };
        /**
         * @description Whether anyone holds a resource.
         * @enum {string}
         */
        LockState: "free" | "held";
        /** @description The state of one resource. */
        LockStatus: {
            /** @description Its token counter. */
            current_token: components["schemas"]["FencingToken"];
            /** @description Watch from here to follow the resource; in a list it is the page's. */
            cursor?: string | null;
            /**
             * Format: int64
             * @description How many hold it.
             */
            holder_count: number;
            /** @description The first 100 holders, by token. */
            holders: components["schemas"]["Holder"][];
            mode?: components["schemas"]["Mode"] | null;
            oldest_enqueued_at?: components["schemas"]["Timestamp"] | null;
            /**
             * Format: int64
             * @description How many wait.
             */
            queue_len: number;
            /** @description Its name. */
            resource: components["schemas"]["ResourceName"];
            /** @description Free or held. */
            state: components["schemas"]["LockState"];
            /**
             * Format: int64
             * @description One more with every event of the resource.
             */
            version: number;
            /** @description The first 100 waiters, in their order; absent in lists. */
            waiters?: components["schemas"]["Waiter"][] | null;
        };
        /** @description One who waits. */
        LongWait: {
            /** @description Since when it waits. */
            enqueued_at: components["schemas"]["Timestamp"];
            /** @description How it wants to hold it. */
            mode: components["schemas"]["Mode"];
            /** @description Who asked. */
            owner: components["schemas"]["Owner"];
            /** @description For which resource. */
            resource: components["schemas"]["ResourceName"];
        };
        /**
         * @description What the caller wants shown beside its lease: a flat object of strings, at
         *     most 4 KiB of keys and values in all.
         */
        Metadata: {
            [key: string]: string;
        };
        /**
         * @description How a resource is locked.
         * @enum {string}
         */
        Mode: "exclusive" | "shared";
        /** @description All locks at a glance, for those who watch them. */
        Overview: {
            /** @description The deciding clock at this answer. */
            at: components["schemas"]["Timestamp"];
            /** @description The ten resources with the most waiters, most first. */
            contended: components["schemas"]["ContendedLock"][];
            /**
             * @description The ten leases that expired last, of those of the last five minutes;
             *     newest first.
             */
            expired: components["schemas"]["ExpiredLease"][];
            /**
             * Format: int64
             * @description How many resources are held.
             */
            held: number;
            /**
             * Format: int64
             * @description How many live leases there are.
             */
            leases: number;
            /**
             * Format: int64
             * @description How many have waited for more than 30 s.
             */
            long_wait_count: number;
            /** @description The ten oldest of these, oldest first. */
            long_waits: components["schemas"]["LongWait"][];
            oldest_wait?: components["schemas"]["LongWait"] | null;
            /**
             * @description What happened in each of the last whole seconds, oldest first: up to
             *     300, fewer when so much happened that it was not looked up further back.
             */
            seconds: components["schemas"]["OverviewSecond"][];
            /**
             * Format: int64
             * @description Half of the waits that ended in a grant within the last minute took up to
             *     this long, in milliseconds; null when there was none.
             */
            wait_p50_ms?: number | null;
            /**
             * Format: int64
             * @description 95 of 100 of these took up to this long, in milliseconds.
             */
            wait_p95_ms?: number | null;
            /**
             * Format: int64
             * @description How many acquires wait, in all queues.
             */
            waiting: number;
        };
        /** @description What happened in one second. */
        OverviewSecond: {
            /** @description When it began. */
            at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Waiters that left or lost their place.
             */
            cancelled: number;
            /**
             * Format: int64
             * @description Leases whose time ran out.
             */
            expired: number;
            /**
             * Format: int64
             * @description Leases that an operator ended.
             */
            force_released: number;
            /**
             * Format: int64
             * @description Leases that began.
             */
            granted: number;
            /**
             * Format: int64
             * @description Acquires that joined a queue.
             */
            queued: number;
            /**
             * Format: int64
             * @description Leases that their holders ended.
             */
            released: number;
            /**
             * Format: int64
             * @description Half of the waits that ended in a grant took up to this long, in
             *     milliseconds; null when there was none.
             */
            wait_p50_ms?: number | null;
            /**
             * Format: int64
             * @description 95 of 100 of these took up to this long, in milliseconds.
             */
            wait_p95_ms?: number | null;
            /**
             * Format: int64
             * @description Waiters whose time ran out.
             */
            wait_timed_out: number;
        };
        /**
         * @description Who asks, for people to read: at most 256 bytes, no control characters. It
         *     proves nothing.
         */
        Owner: string;
        /** @description An error, as RFC 9457 has it (`application/problem+json`). */
        Problem: {
            /** @description What programs match on. */
            code: components["schemas"]["ProblemCode"];
            /** @description This occurrence, for people to read. */
            detail: string;
            /** @description `lock-held`, `wait-timeout`, `holder-changed`: who holds the lock. */
            holders?: components["schemas"]["Holder"][] | null;
            /**
             * Format: int64
             * @description `lock-held`, `wait-timeout`: how many wait.
             */
            queue_len?: number | null;
            reason?: components["schemas"]["EndReason"] | null;
            /** @description Names the request in the server's log. */
            request_id: string;
            /**
             * Format: int64
             * @description `lock-held`, `wait-timeout`, `unavailable`, `quota-exceeded`: when a
             *     repeat may succeed, in milliseconds.
             */
            retry_after_ms?: number | null;
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The problem in a few words. */
            title: string;
            /** @description `/problems/<code>`. */
            type: string;
        };
        /**
         * @description What programs match on.
         * @enum {string}
         */
        ProblemCode: "invalid-request" | "invalid-name" | "invalid-cursor" | "cursor-expired" | "lock-held" | "wait-timeout" | "lease-ended" | "not-holder" | "holder-changed" | "idempotency-key-reused" | "not-found" | "method-not-allowed" | "host-not-allowed" | "origin-not-allowed" | "unsupported-media-type" | "body-too-large" | "upgrade-required" | "request-timeout" | "quota-exceeded" | "unavailable" | "internal-error" | "other";
        /**
         * @description The answer to an acquire that is still queued after the server's share of
         *     its wait. The same request with this key goes on waiting.
         */
        Queued: {
            /** @description Who holds the lock. */
            holders: components["schemas"]["Holder"][];
            /** @description The key to repeat the request with. */
            idempotency_key: components["schemas"]["IdempotencyKey"];
            /**
             * Format: int64
             * @description 1 is the head of the queue.
             */
            position: number;
            /**
             * Format: int64
             * @description How many wait.
             */
            queue_len: number;
        };
        /**
         * @description Why an operator ended somebody's lease: 1 to 1,024 bytes, no control
         *     characters.
         */
        Reason: string;
        /** @description The body of a release. */
        ReleaseRequest: {
            /** @description The lease's id. */
            lease_id: components["schemas"]["LeaseId"];
        };
        /** @description The answer to a release. */
        Released: {
            /** @description The token of the lease that ended. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description Always true; what could not be released is a problem. */
            released: boolean;
        };
        /** @description One lease of a renewal of several. */
        RenewItem: {
            /** @description The lease's id. */
            lease_id: components["schemas"]["LeaseId"];
            /** @description What is locked. */
            resource: components["schemas"]["ResourceName"];
            ttl_ms?: components["schemas"]["Ttl"] | null;
        };
        /** @description The body of a renewal of several leases: at most 1,000. */
        RenewManyRequest: {
            /** @description The leases, answered in this order. */
            leases: components["schemas"]["RenewItem"][];
        };
        /** @description The body of a renewal of one lease. */
        RenewRequest: {
            /** @description The lease's id. */
            lease_id: components["schemas"]["LeaseId"];
            ttl_ms?: components["schemas"]["Ttl"] | null;
        };
        /** @description One result of a renewal of several. */
        RenewResult: {
            /** @description The lease with its new term. */
            lease: components["schemas"]["Lease"];
        } | {
            /** @description Why it was not renewed. */
            problem: components["schemas"]["Problem"];
        };
        /** @description A new term of a lease, told live alone. */
        Renewal: {
            /** @description When it ends unless it is renewed again. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description Which lease. */
            fencing_token: components["schemas"]["FencingToken"];
            /** @description What is locked. */
            resource: components["schemas"]["ResourceName"];
            /** @enum {string} */
            type: "renewed";
        };
        /** @description The answer to a renewal of several, in the order asked. */
        Renewed: {
            /** @description One result a lease. */
            results: components["schemas"]["RenewResult"][];
        };
        /**
         * @description The name of a resource that can be locked.
         *
         *     1 to 256 bytes of UTF-8, case-sensitive, any character but controls and
         *     bidirectional formatting characters; not `.` and not `..`. `a`, `a/b` and
         *     `A` are three resources. A clone is cheap.
         *
         *     ```
         *     use dlm_protocol::ResourceName;
         *
         *     let name: ResourceName = "orders/42".parse()?;
         *     assert_eq!(name.as_str(), "orders/42");
         *     assert!("".parse::<ResourceName>().is_err());
         *     # Ok::<_, dlm_protocol::InvalidValue>(())
         *     ```
         */
        ResourceName: string;
        /** @description What became of an operation: the member of the reply beside its `id`. */
        SessionBody: {
            /** @description Of an acquire or a renewal. */
            lease: components["schemas"]["Lease"];
        } | {
            /** @description Of a renewal of several, in the order asked. */
            results: components["schemas"]["RenewResult"][];
        } | {
            /** @description Of a release. */
            released: components["schemas"]["Released"];
        } | {
            /** @description Of a cancel. */
            cancel: components["schemas"]["Cancelled"];
        } | {
            /** @description Of a check. */
            check: components["schemas"]["Checked"];
        } | {
            /** @description Of a status. */
            status: components["schemas"]["LockStatus"];
        } | {
            /** @description Of an acquire that waits: more is to come. */
            queued: components["schemas"]["SessionQueued"];
        } | {
            /** @description Of what was refused. */
            problem: components["schemas"]["Problem"];
        };
        /**
         * @description What a frame asks for.
         * @enum {string}
         */
        SessionOp: "acquire" | "cancel" | "renew" | "release" | "check" | "status";
        /** @description Where a waiting acquire stands. */
        SessionQueued: {
            /**
             * Format: int64
             * @description 1 is the head of the queue.
             */
            position: number;
            /**
             * Format: int64
             * @description How many wait.
             */
            queue_len: number;
        };
        /**
         * @description One operation. Its fields are those of the operation's HTTP body, with
         *     `resource` and, for acquire and cancel, `idempotency_key`; the others are
         *     absent.
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
             * @description The caller's own number for it; the answer carries it.
             */
            id: number;
            idempotency_key?: components["schemas"]["IdempotencyKey"] | null;
            lease_id?: components["schemas"]["LeaseId"] | null;
            leases?: components["schemas"]["RenewItem"][] | null;
            metadata?: components["schemas"]["Metadata"] | null;
            mode?: components["schemas"]["Mode"] | null;
            /** @description What is asked. */
            op: components["schemas"]["SessionOp"];
            owner?: components["schemas"]["Owner"] | null;
            resource?: components["schemas"]["ResourceName"] | null;
            ttl_ms?: components["schemas"]["Ttl"] | null;
            wait_ms?: components["schemas"]["Wait"] | null;
        };
        /**
         * @description Which resources a list shows.
         * @enum {string}
         */
        StateFilter: "held" | "waiting" | "all";
        /**
         * Format: date-time
         * @description An instant on the deciding clock: RFC 3339 UTC with milliseconds on the
         *     wire, microseconds since the epoch inside.
         */
        Timestamp: string;
        /**
         * Format: int64
         * @description How long a lease lives from a grant or a renewal: 100 ms to a day, in whole
         *     milliseconds; 30 s by default.
         */
        Ttl: number;
        /**
         * Format: int64
         * @description How long an acquire waits for its turn: 0 (answer at once) to a day, in
         *     whole milliseconds; 0 by default.
         */
        Wait: number;
        /** @description A queued acquire. */
        Waiter: {
            /** @description Whether no request of it is held open at any server. */
            away: boolean;
            /** @description When its wait ends. */
            deadline: components["schemas"]["Timestamp"];
            /** @description When it was queued. */
            enqueued_at: components["schemas"]["Timestamp"];
            /** @description Exclusive or shared. */
            mode: components["schemas"]["Mode"];
            /** @description Who asked. */
            owner: components["schemas"]["Owner"];
            /**
             * Format: int64
             * @description 1 is the head of the queue.
             */
            position: number;
            /** @description Names the waiter in events. Public; gives no power. */
            waiter_id: string;
        };
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
            /** @description It is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
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
            /** @description Prometheus text, or OpenMetrics where that is accepted */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
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
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
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
            /** @description It can */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It can't now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                renewals?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The event stream: each message is an `Event`, an `EventMark` or a `Renewal` */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventPage"];
                };
            };
            /** @description The cursor is not one of this log */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The cursor is older than the log */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LockPage"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                /** @description The resource's name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its state */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LockStatus"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                /** @description The resource's name as one percent-encoded segment */
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
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Lease"];
                };
            };
            /** @description Still queued; send the same request again */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Queued"];
                };
            };
            /** @description What the key named has ended */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The key was used with other parameters */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lock is held, or the wait ran out */
            423: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                /** @description The resource's name as one percent-encoded segment */
                name: components["schemas"]["ResourceName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What the cancel did */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Cancelled"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                /** @description The resource's name as one percent-encoded segment */
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
            /** @description Whether it is, and the counter */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Checked"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                /** @description The resource's name as one percent-encoded segment */
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
            /** @description The lease that was ended; a repeat gives the same */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ForceReleased"];
                };
            };
            /** @description No live lease has that token */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                /** @description The resource's name as one percent-encoded segment */
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
            /** @description It has ended; a repeat gives the same */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Released"];
                };
            };
            /** @description The id was never given out for this resource */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lease had ended otherwise before */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                /** @description The resource's name as one percent-encoded segment */
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
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Lease"];
                };
            };
            /** @description The id was never given out for this resource */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The lease has ended */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Overview"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
            /** @description One result a lease, in order */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Renewed"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
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
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is no upgrade */
            426: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
