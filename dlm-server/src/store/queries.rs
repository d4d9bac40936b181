//! The queries that both databases share.
//!
//! The functions build a query for any backend. [`Queries`] executes it:
//! diesel's types of a query that is executed depend on its backend.
//!
//! - `declare`: the macro that declares [`Queries`]
//! - `checks`: what is due

mod checks;
pub(super) mod declare;

use diesel::dsl::{auto_type, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use dlm_engine::ClaimKey;
use dlm_pq::PqConnection;

use super::names::NameRange;
use super::postgres::{due, in_use};
use super::rows::{ClaimRow, ResourceRow};
use super::schema::{claims, floors, resources, tickets, writers};
use super::tickets::TicketRow;
use checks::{DueWaiter, due_resources, due_waiters, next_resource_check, next_waiter_check};
use declare::queries;

queries! {
    fn claim(c, name: &str, key: &ClaimKey) -> Option<ClaimRow> {
        claim(name, &key.principal, &key.key).select(ClaimRow::as_select()).get_result(c).optional()
    }
    /// The claim whose lease was force-released with this token.
    fn force_released(c, name: &str, token: i64) -> Option<ClaimRow> {
        force_released(name, token).select(ClaimRow::as_select()).get_result(c).optional()
    }
    /// The waiters behind a ticket, in FIFO order.
    fn waiters(c, name: &str, after: i64, limit: i64) -> Vec<ClaimRow> {
        waiters(name, after, limit).select(ClaimRow::as_select()).load(c)
    }
    /// The tickets and keys of the waiters behind a ticket, in FIFO order.
    fn queue(c, name: &str, after: i64, limit: i64) -> Vec<(Option<i64>, String, String)> {
        waiters(name, after, limit).select((claims::ticket, claims::principal, claims::key)).load(c)
    }
    /// The exclusive claims of these resources, by name.
    fn exclusive_claims(c, rows: &[ResourceRow]) -> Vec<(String, ClaimRow)> {
        rows.iter()
            .filter_map(|row| Some((&row.name, row.holder()?)))
            .filter_map(|(name, key)| Some(c.claim(name, &key).transpose()?.map(|claim| (name.clone(), claim))))
            .collect()
    } on postgres {
        in_use::exclusive_claims(c, rows)
    }
    fn versions(c, names: &[&str]) -> Vec<(String, i64)> {
        resources::table.filter(resources::name.eq_any(names)).select((resources::name, resources::version)).load(c)
    }
    /// The live shared claims, by token. SQLite merges two sorted parts only if what they are
    /// sorted by is selected.
    fn shared_holders(c, name: &str, limit: i64) -> Vec<ClaimRow> {
        shared_holders(name, limit)
            .select((claims::shared_token, ClaimRow::as_select()))
            .load(c)
            .map(|rows: Vec<(Option<i64>, ClaimRow)>| rows.into_iter().map(|(_, row)| row).collect())
    }
    fn resource(c, name: &str) -> Option<ResourceRow> {
        resource(name).select(ResourceRow::as_select()).get_result(c).optional()
    }
    /// Resources by name, in this range and behind `after`.
    fn resource_page(c, names: &NameRange, after: &str, limit: i64) -> Vec<ResourceRow> {
        resource_page(&names.from, after, &names.end, limit).select(ResourceRow::as_select()).load(c)
    }
    /// Their names alone.
    fn name_page(c, names: &NameRange, after: &str, limit: i64) -> Vec<String> {
        name_page(&names.from, after, &names.end, limit).load(c)
    }
    /// Of these, those that are held.
    fn held_page(c, names: &NameRange, after: &str, limit: i64) -> Vec<ResourceRow> {
        held_page(&names.from, after, &names.end, limit).select(ResourceRow::as_select()).load(c)
    } on postgres {
        in_use::held_page(c, names, after, limit)
    }
    /// Of these, those with waiters.
    fn queued_page(c, names: &NameRange, after: &str, limit: i64) -> Vec<ResourceRow> {
        queued_page(&names.from, after, &names.end, limit).select(ResourceRow::as_select()).load(c)
    } on postgres {
        in_use::queued_page(c, names, after, limit)
    }
    /// The token and version that names in this bucket start from.
    fn floor(c, bucket: i64) -> Option<(i64, i64)> {
        floor(bucket).get_result(c).optional()
    }
    /// How many resources are held, and by how many leases.
    fn count_held(c, names: &NameRange) -> (i64, i64) {
        count_held(&names.from, &names.end).get_result(c)
    } on postgres {
        in_use::count_held(c, names)
    }
    fn count_waiters(c, names: &NameRange) -> i64 {
        count_waiters(&names.from, &names.end).get_result(c)
    } on postgres {
        in_use::count_waiters(c, names)
    }
    fn longest_queues(c, names: &NameRange, limit: i64) -> Vec<ResourceRow> {
        longest_queues(&names.from, &names.end, limit).select(ResourceRow::as_select()).load(c)
    } on postgres {
        in_use::longest_queues(c, names, limit)
    }
    fn oldest_waiters(c, names: &NameRange, limit: i64) -> Vec<(String, ClaimRow)> {
        oldest_waiters(&names.from, &names.end, limit).select((claims::resource, ClaimRow::as_select())).load(c)
    }
    fn count_enqueued_before(c, names: &NameRange, before: i64) -> i64 {
        enqueued_before(&names.from, &names.end, before).count().get_result(c)
    }
    /// The exclusive leases of each principal on names in this range.
    fn exclusive_leases_in(c, names: &NameRange) -> Vec<(Option<String>, i64)> {
        exclusive_leases_in(&names.from, &names.end).load(c)
    }
    /// The live shared leases of each principal on names in this range.
    fn shared_leases_in(c, names: &NameRange) -> Vec<(String, i64)> {
        shared_leases_in(&names.from, &names.end).load(c)
    }
    /// The waiters of each principal on names in this range.
    fn waiters_in(c, names: &NameRange) -> Vec<(String, i64)> {
        waiters_in(&names.from, &names.end).load(c)
    }
    /// The last batch of each writer, by the id of its marker row.
    fn last_batches(c) -> Vec<(i64, i64)> {
        writers::table.select((writers::id, writers::batch)).load(c)
    }
    fn ticket(c, name: &str, key: &ClaimKey) -> Option<Option<i64>> {
        claim(name, &key.principal, &key.key).select(claims::ticket).get_result(c).optional()
    }
    fn insert_ticket(c, ticket: &TicketRow) -> usize {
        diesel::insert_into(tickets::table).values(ticket).execute(c)
    }
    fn take_ticket(c, digest: &str) -> Option<TicketRow> {
        diesel::delete(tickets::table.find(digest)).returning(TicketRow::as_returning()).get_result(c).optional()
    }
    fn delete_expired_tickets(c, now: i64) -> usize {
        diesel::delete(tickets::table.filter(tickets::expires_at.le(now))).execute(c)
    }
    fn count_tickets(c, principal: &str) -> i64 {
        tickets::table.filter(tickets::principal.eq(principal)).count().get_result(c)
    }
    fn count_waiters_up_to(c, name: &str, ticket: i64) -> i64 {
        waiters_up_to(name, ticket).count().get_result(c)
    }
    fn due_resources(c, by: i64, limit: i64) -> Vec<String> {
        due_resources(by, limit).load(c).map(|due: Vec<(i64, String)>| due.into_iter().map(|(_, name)| name).collect())
    } on postgres {
        due::due_resources(c, by, limit)
    }
    fn due_waiters(c, by: i64, limit: i64) -> Vec<(String, String, String)> {
        due_waiters(by, limit).load(c).map(|due: Vec<DueWaiter>| due.into_iter().map(|(_, waiter)| waiter).collect())
    }
    /// The first check instant of a resource after this one.
    fn next_resource_check(c, after: i64) -> Option<i64> {
        next_resource_check(after).first(c).optional()
    } on postgres {
        due::next_resource_check(c, after)
    }
    /// The first check instant of a waiter after this one.
    fn next_waiter_check(c, after: i64) -> Option<Option<i64>> {
        next_waiter_check(after).first(c).optional()
    }
}

#[auto_type]
fn claim<'a>(name: &'a str, principal: &'a str, key: &'a str) -> _ {
    claims::table
        .filter(claims::resource.eq(name))
        .filter(claims::principal.eq(principal))
        .filter(claims::key.eq(key))
}

#[auto_type]
fn force_released<'a>(name: &'a str, token: i64) -> _ {
    claims::table.filter(claims::resource.eq(name)).filter(claims::forced_token.eq(token))
}

#[auto_type]
fn waiters<'a>(name: &'a str, after: i64, limit: i64) -> _ {
    claims::table
        .filter(claims::resource.eq(name))
        .filter(claims::ticket.gt(after))
        .order(claims::ticket)
        .limit(limit)
}

#[auto_type]
fn shared_holders<'a>(name: &'a str, limit: i64) -> _ {
    claims::table
        .filter(claims::resource.eq(name))
        .filter(claims::shared_token.gt(0_i64))
        .order(claims::shared_token)
        .limit(limit)
}

#[auto_type]
fn resource<'a>(name: &'a str) -> _ {
    resources::table.find(name)
}

#[auto_type]
fn named<'a>(from: &'a str, end: &'a str) -> _ {
    resources::table.filter(resources::name.ge(from)).filter(resources::name.lt(end))
}

/// The resources that are held. The conditions of this and the next function are those
/// of SQLite's partial indexes, and without parameters, so that SQLite knows that an
/// index has the rows.
#[auto_type]
fn held<'a>(from: &'a str, end: &'a str) -> _ {
    let held: SqlLiteral<Bool> = sql("resources.holder_count > 0");
    let named: named<'a> = named(from, end);
    named.filter(held)
}

/// The resources with waiters.
#[auto_type]
fn queued<'a>(from: &'a str, end: &'a str) -> _ {
    let queued: SqlLiteral<Bool> = sql("resources.queue_len > 0");
    let named: named<'a> = named(from, end);
    named.filter(queued)
}

#[auto_type]
fn resource_page<'a>(from: &'a str, after: &'a str, end: &'a str, limit: i64) -> _ {
    let named: named<'a> = named(from, end);
    named.filter(resources::name.gt(after)).order(resources::name).limit(limit)
}

#[auto_type]
fn name_page<'a>(from: &'a str, after: &'a str, end: &'a str, limit: i64) -> _ {
    let page: resource_page<'a> = resource_page(from, after, end, limit);
    page.select(resources::name)
}

#[auto_type]
fn held_page<'a>(from: &'a str, after: &'a str, end: &'a str, limit: i64) -> _ {
    let held: held<'a> = held(from, end);
    held.filter(resources::name.gt(after)).order(resources::name).limit(limit)
}

#[auto_type]
fn queued_page<'a>(from: &'a str, after: &'a str, end: &'a str, limit: i64) -> _ {
    let queued: queued<'a> = queued(from, end);
    queued.filter(resources::name.gt(after)).order(resources::name).limit(limit)
}

#[auto_type]
fn floor(bucket: i64) -> _ {
    floors::table.find(bucket).select((floors::token, floors::version))
}

#[auto_type]
fn count_held<'a>(from: &'a str, end: &'a str) -> _ {
    let held: held<'a> = held(from, end);
    let resources: SqlLiteral<BigInt> = sql("count(*)");
    let leases: SqlLiteral<BigInt> = sql("CAST(coalesce(sum(holder_count), 0) AS BIGINT)");
    held.select((resources, leases))
}

#[auto_type]
fn count_waiters<'a>(from: &'a str, end: &'a str) -> _ {
    let queued: queued<'a> = queued(from, end);
    let waiters: SqlLiteral<BigInt> = sql("CAST(coalesce(sum(queue_len), 0) AS BIGINT)");
    queued.select(waiters)
}

#[auto_type]
fn longest_queues<'a>(from: &'a str, end: &'a str, limit: i64) -> _ {
    let queued: queued<'a> = queued(from, end);
    queued.order((resources::queue_len.desc(), resources::name)).limit(limit)
}

#[auto_type]
fn waiting_claims<'a>(from: &'a str, end: &'a str) -> _ {
    claims::table
        .filter(claims::resource.ge(from))
        .filter(claims::resource.lt(end))
        .filter(claims::ticket.is_not_null())
}

#[auto_type]
fn oldest_waiters<'a>(from: &'a str, end: &'a str, limit: i64) -> _ {
    let waiting: waiting_claims<'a> = waiting_claims(from, end);
    waiting.order((claims::enqueued_at, claims::resource, claims::ticket)).limit(limit)
}

#[auto_type]
fn enqueued_before<'a>(from: &'a str, end: &'a str, before: i64) -> _ {
    let waiting: waiting_claims<'a> = waiting_claims(from, end);
    waiting.filter(claims::enqueued_at.lt(before))
}

#[auto_type]
fn exclusive_leases_in<'a>(from: &'a str, end: &'a str) -> _ {
    let count: SqlLiteral<BigInt> = sql("count(*)");
    let named: named<'a> = named(from, end);
    named
        .filter(resources::holder_principal.is_not_null())
        .group_by(resources::holder_principal)
        .select((resources::holder_principal, count))
}

#[auto_type]
fn shared_leases_in<'a>(from: &'a str, end: &'a str) -> _ {
    let count: SqlLiteral<BigInt> = sql("count(*)");
    claims::table
        .filter(claims::resource.ge(from))
        .filter(claims::resource.lt(end))
        .filter(claims::shared_token.is_not_null())
        .group_by(claims::principal)
        .select((claims::principal, count))
}

#[auto_type]
fn waiters_in<'a>(from: &'a str, end: &'a str) -> _ {
    let count: SqlLiteral<BigInt> = sql("count(*)");
    let waiting: waiting_claims<'a> = waiting_claims(from, end);
    waiting.group_by(claims::principal).select((claims::principal, count))
}

#[auto_type]
fn waiters_up_to<'a>(name: &'a str, ticket: i64) -> _ {
    claims::table.filter(claims::resource.eq(name)).filter(claims::ticket.le(ticket))
}

#[cfg(test)]
mod tests;
