//! Which indexes SQLite reads. The database is empty: without statistics a plan does not
//! depend on what the tables contain.

use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::MigrationHarness;

use super::*;
use crate::store::sqlite::{MIGRATIONS, see_journal};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn database() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    connection
}

/// The steps of a query, one per line.
fn plan(query: &impl QueryFragment<Sqlite>) -> String {
    plan_in(&mut database(), query)
}

fn plan_in(connection: &mut SqliteConnection, query: &impl QueryFragment<Sqlite>) -> String {
    let text = diesel::debug_query::<Sqlite, _>(query).to_string();
    let (text, _) = text.split_once(" -- binds").unwrap();
    let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(connection).unwrap();
    steps.into_iter().map(|step| step.detail + "\n").collect()
}

#[test]
fn lists_of_held_and_of_contended_resources_read_only_these() {
    let held = plan(&held_page("a", "b", "c", 100).select(ResourceRow::as_select()));
    assert!(held.contains("INDEX resources_held (name>? AND name<?)") && !held.contains("TEMP"), "{held}");
    let queued = plan(&queued_page("a", "b", "c", 100).select(ResourceRow::as_select()));
    assert!(
        queued.contains("INDEX resources_queued (name>? AND name<?)") && !queued.contains("TEMP"),
        "{queued}"
    );
}

#[test]
fn counts_read_an_index_only() {
    let counts = [
        ("resources_held", plan(&count_held("a", "c"))),
        ("resources_queued", plan(&count_waiters("a", "c"))),
        ("claims_queue", plan(&enqueued_before("a", "c", 7).count())),
    ];
    for (index, plan) in counts {
        assert!(plan.contains(&format!("COVERING INDEX {index} (")), "{plan}");
    }
}

#[test]
fn the_longest_queues_are_found_among_the_contended_resources() {
    let longest = plan(&longest_queues("a", "c", 10).select(ResourceRow::as_select()));
    assert!(longest.contains("INDEX resources_queued (name>? AND name<?)"), "{longest}");
}

/// Asserts that a reader finds the rows of the table by the same index as without a journal, and
/// those of the temporary table by the index beside it.
fn assert_merged(what: &str, query: &impl QueryFragment<Sqlite>) {
    let plain = plan(query);
    let mut connection = database();
    see_journal(&mut connection).unwrap();
    // Through a view an aggregate reads whole rows.
    let [plain, merged] = [plain, plan_in(&mut connection, query)].map(|plan| plan.replace("COVERING ", ""));
    for step in plain.lines().filter(|step| step.starts_with("SEARCH") || step.starts_with("SCAN")) {
        let (kind, rest) = step.split_once(' ').unwrap();
        let (table, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let stored = format!("{kind} stored {rest}");
        let tail = format!("{kind} tail_{table} {}", rest.replace("INDEX ", "INDEX tail_"));
        for step in [stored, tail] {
            assert!(merged.contains(step.trim_end()), "{what}: no {step:?} in\n{merged}instead of\n{plain}");
        }
    }
    // What has to be sorted is sorted before it is merged, and nothing else.
    let sorts = |plan: &str| plan.matches("TEMP B-TREE").count();
    assert!(sorts(&merged) <= 2 * sorts(&plain), "{what}:\n{merged}instead of\n{plain}");
}

#[test]
fn a_reader_uses_the_same_indexes_for_what_is_in_the_journal() {
    let resource_row = || ResourceRow::as_select();
    assert_merged("claim", &claim("a", "p", "k").select(ClaimRow::as_select()));
    assert_merged("ticket", &claim("a", "p", "k").select(claims::ticket));
    assert_merged("waiters", &waiters("a", 1, 10).select(ClaimRow::as_select()));
    assert_merged("waiters_up_to", &waiters_up_to("a", 1).count());
    assert_merged(
        "shared_holders",
        &shared_holders("a", 10).select((claims::shared_token, ClaimRow::as_select())),
    );
    assert_merged("resource", &resource("a").select(resource_row()));
    assert_merged("resource_page", &resource_page("a", "b", "c", 10).select(resource_row()));
    assert_merged("name_page", &name_page("a", "b", "c", 10));
    assert_merged("held_page", &held_page("a", "b", "c", 10).select(resource_row()));
    assert_merged("queued_page", &queued_page("a", "b", "c", 10).select(resource_row()));
    assert_merged("floor", &floor(1));
    assert_merged("count_held", &count_held("a", "c"));
    assert_merged("count_waiters", &count_waiters("a", "c"));
    assert_merged("longest_queues", &longest_queues("a", "c", 10).select(resource_row()));
    let oldest = oldest_waiters("a", "c", 10);
    assert_merged("oldest_waiters", &oldest.select((claims::resource, ClaimRow::as_select())));
    assert_merged("enqueued_before", &enqueued_before("a", "c", 7).count());
    assert_merged("exclusive_leases_in", &exclusive_leases_in("a", "c"));
    assert_merged("shared_leases_in", &shared_leases_in("a", "c"));
    assert_merged("waiters_in", &waiters_in("a", "c"));
    assert_merged("due_resources", &due_resources(7, 10));
    assert_merged("due_waiters", &due_waiters(7, 10));
    assert_merged("next_resource_check", &next_resource_check(7).limit(1));
    assert_merged("next_waiter_check", &next_waiter_check(7).limit(1));
}
