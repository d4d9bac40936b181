//! When resources and waiters have to be checked.

use diesel::dsl::auto_type;
use diesel::prelude::*;

use crate::store::schema::{claims, resources};

/// When a waiter is due; and its resource, principal and key.
pub(super) type DueWaiter = (Option<i64>, (String, String, String));

#[auto_type]
pub(super) fn due_resources(by: i64, limit: i64) -> _ {
    resources::table
        .filter(resources::check_at.le(by))
        .order(resources::check_at)
        .limit(limit)
        .select((resources::check_at, resources::name))
}

#[auto_type]
pub(super) fn due_waiters(by: i64, limit: i64) -> _ {
    claims::table
        .filter(claims::check_at.le(by))
        .order(claims::check_at)
        .limit(limit)
        .select((claims::check_at, (claims::resource, claims::principal, claims::key)))
}

#[auto_type]
pub(super) fn next_resource_check(after: i64) -> _ {
    resources::table
        .filter(resources::check_at.gt(after))
        .order(resources::check_at)
        .select(resources::check_at)
}

#[auto_type]
pub(super) fn next_waiter_check(after: i64) -> _ {
    claims::table.filter(claims::check_at.gt(after)).order(claims::check_at).select(claims::check_at)
}
