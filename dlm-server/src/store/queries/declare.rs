//! The macro that declares the shared queries.

/// Declares `Queries`, and implements it for the connections of both databases. A query with a
/// part `on postgres` is another one there.
macro_rules! queries {
    ($($(#[$doc:meta])* fn $name:ident($connection:ident $(, $argument:ident: $kind:ty)*) -> $rows:ty {
        $body:expr
    } $(on postgres { $other:expr })?)*) => {
        /// A connection that can execute the shared queries.
        pub(super) trait Queries {
            $($(#[$doc])* fn $name(&mut self $(, $argument: $kind)*) -> QueryResult<$rows>;)*
        }

        impl Queries for SqliteConnection {
            $(fn $name(&mut self $(, $argument: $kind)*) -> QueryResult<$rows> { let $connection = self; $body })*
        }

        impl Queries for PqConnection {
            $(fn $name(&mut self $(, $argument: $kind)*) -> QueryResult<$rows> {
                let $connection = self;
                $crate::store::queries::declare::last!({ $body } $({ $other })?)
            })*
        }
    };
}

/// The last of its expressions.
macro_rules! last {
    ({ $first:expr }) => {
        $first
    };
    ({ $first:expr } { $second:expr }) => {
        $second
    };
}

pub(in crate::store) use {last, queries};
