//! Which schema this version works with.

use diesel::backend::Backend;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel_migrations::EmbeddedMigrations;

use super::OpenError;

/// Fails if a newer version has migrated the database: what that changed, this
/// version may not understand.
pub(super) fn require_known<DB: Backend>(
    applied: &[MigrationVersion<'_>],
    known: &EmbeddedMigrations,
) -> Result<(), OpenError> {
    let failed = |error: &dyn std::fmt::Display| OpenError::Migration(error.to_string());
    let known = MigrationSource::<DB>::migrations(known).map_err(|error| failed(&error))?;
    let known: Vec<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    let newest = applied.iter().map(ToString::to_string).filter(|version| !known.contains(version)).max();
    match newest {
        None => Ok(()),
        Some(database) => Err(OpenError::NewerSchema {
            database,
            supported: known.into_iter().max().unwrap_or_else(|| "none".into()),
        }),
    }
}
