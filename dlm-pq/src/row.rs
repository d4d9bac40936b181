//! Rows and fields of a result, as diesel reads them.

use std::num::NonZeroU32;
use std::ops::Range;
use std::rc::Rc;

use diesel::backend::Backend;
use diesel::pg::{Pg, PgValue, TypeOidLookup};
use diesel::result::QueryResult;
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};

use crate::result::RawResult;

/// The rows of a result, one after the other.
#[derive(Debug)]
pub struct Cursor {
    result: Rc<RawResult>,
    next: usize,
}

impl Cursor {
    pub(crate) fn new(result: RawResult) -> Self {
        Self { result: Rc::new(result), next: 0 }
    }
}

impl Iterator for Cursor {
    type Item = QueryResult<PqRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next;
        (row < self.result.rows()).then(|| {
            self.next += 1;
            Ok(PqRow { result: Rc::clone(&self.result), row })
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.result.rows() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Cursor {}

/// A row of a result.
#[derive(Debug, Clone)]
pub struct PqRow {
    result: Rc<RawResult>,
    row: usize,
}

impl RowSealed for PqRow {}

impl<'a> Row<'a, Pg> for PqRow {
    type Field<'f>
        = PqField<'f>
    where
        'a: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        self.result.columns()
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        let column = self.idx(index)?;
        Some(PqField { result: &self.result, row: self.row, column })
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self::InnerPartialRow> {
        PartialRow::new(self, range)
    }
}

impl RowIndex<usize> for PqRow {
    fn idx(&self, column: usize) -> Option<usize> {
        (column < self.result.columns()).then_some(column)
    }
}

impl<'a> RowIndex<&'a str> for PqRow {
    fn idx(&self, name: &'a str) -> Option<usize> {
        (0..self.result.columns()).find(|column| self.result.column_name(*column) == Some(name))
    }
}

/// A value of a row.
#[derive(Debug)]
pub struct PqField<'a> {
    result: &'a RawResult,
    row: usize,
    column: usize,
}

impl<'a> Field<'a, Pg> for PqField<'a> {
    fn field_name(&self) -> Option<&str> {
        self.result.column_name(self.column)
    }

    fn value(&self) -> Option<<Pg as Backend>::RawValue<'_>> {
        let bytes = self.result.value(self.row, self.column)?;
        Some(PgValue::new(bytes, self))
    }
}

impl TypeOidLookup for PqField<'_> {
    fn lookup(&self) -> NonZeroU32 {
        // Postgres has no type with the OID 0.
        NonZeroU32::new(self.result.column_type(self.column)).unwrap_or(NonZeroU32::MAX)
    }
}
