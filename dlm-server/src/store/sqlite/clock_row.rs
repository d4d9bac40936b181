//! The row from which the deciding clock of the next run continues.

use diesel::prelude::*;
use dlm_engine::Micros;

use crate::clock::ClockReading;
use crate::store::StoreError;

diesel::table! {
    clock (id) {
        id -> BigInt,
        at -> BigInt,
        since_boot -> BigInt,
        boot -> Nullable<Text>,
        wall -> BigInt,
    }
}

pub(super) fn load(connection: &mut SqliteConnection) -> Result<Option<ClockReading>, StoreError> {
    let columns = (clock::at, clock::since_boot, clock::boot, clock::wall);
    let row: Option<(i64, i64, Option<String>, i64)> =
        clock::table.find(0).select(columns).first(connection).optional()?;
    Ok(row.map(|(at, since_boot, boot, wall)| ClockReading {
        at: Micros(at),
        since_boot,
        boot,
        wall: Micros(wall),
    }))
}

pub(super) fn store(connection: &mut SqliteConnection, reading: &ClockReading) -> Result<(), StoreError> {
    diesel::replace_into(clock::table)
        .values((
            clock::id.eq(0),
            clock::at.eq(reading.at.0),
            clock::since_boot.eq(reading.since_boot),
            clock::boot.eq(&reading.boot),
            clock::wall.eq(reading.wall.0),
        ))
        .execute(connection)?;
    Ok(())
}

/// Forgets it: the next run starts at the wall clock.
pub(super) fn delete(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    diesel::delete(clock::table).execute(connection)?;
    Ok(())
}
