//! Which indexes SQLite reads. The database is empty: without statistics a plan does not
//! depend on what the tables contain.

use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::MigrationHarness;

use super::*;
use crate::store::sqlite::MIGRATIONS;

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The steps of a query, one per line.
fn plan(query: &impl QueryFragment<Sqlite>) -> String {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    let text = diesel::debug_query::<Sqlite, _>(query).to_string();
    let (text, _) = text.split_once(" -- binds").unwrap();
    let steps: Vec<Step> =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(&mut connection).unwrap();
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
