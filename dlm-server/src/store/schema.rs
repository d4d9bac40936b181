//! The tables that both databases have, for diesel.

diesel::table! {
    meta (name) {
        name -> Text,
        value -> Binary,
    }
}

diesel::table! {
    resources (name) {
        name -> Text,
        version -> BigInt,
        token -> BigInt,
        touched_at -> BigInt,
        check_at -> BigInt,
        queue_len -> BigInt,
        holder_count -> BigInt,
        holder_principal -> Nullable<Text>,
        holder_key -> Nullable<Text>,
    }
}

diesel::table! {
    claims (resource, principal, key) {
        resource -> Text,
        principal -> Text,
        key -> Text,
        shared -> Nullable<Bool>,
        ttl_asked_ms -> Nullable<BigInt>,
        wait_ms -> Nullable<BigInt>,
        owner -> Nullable<Text>,
        metadata -> Nullable<Text>,
        ticket -> Nullable<BigInt>,
        enqueued_at -> Nullable<BigInt>,
        deadline -> Nullable<BigInt>,
        replica -> Nullable<BigInt>,
        away_since -> Nullable<BigInt>,
        check_at -> Nullable<BigInt>,
        token -> Nullable<BigInt>,
        waited_ticket -> Nullable<BigInt>,
        granted_at -> Nullable<BigInt>,
        term_at -> Nullable<BigInt>,
        ttl_ms -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        shared_token -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        end_reason -> Nullable<SmallInt>,
        current_token -> Nullable<BigInt>,
        forced_token -> Nullable<BigInt>,
        cancel -> Nullable<SmallInt>,
    }
}

diesel::table! {
    floors (bucket) {
        bucket -> BigInt,
        token -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    writers (id) {
        id -> BigInt,
        batch -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    tickets (digest) {
        digest -> Text,
        principal -> Text,
        content -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    release_requests (resource, token) {
        resource -> Text,
        token -> BigInt,
        reason -> Text,
        requested_by -> Text,
        requested_at -> BigInt,
        deadline -> BigInt,
        force -> Bool,
    }
}
