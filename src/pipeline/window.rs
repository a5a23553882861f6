//! Records whose rows are not out yet, and their rows in the order of the table.

use super::record::{Held, PendingRow};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A slab of held records and a heap of their rows.
#[derive(Default)]
pub struct Window {
    records: Vec<Held>,
    free: Vec<usize>,
    rows: BinaryHeap<Reverse<PendingRow>>,
}

impl Window {
    /// A slot for a new record; its buffers may hold those of an old one.
    pub fn take_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.records.push(Held::default());
            self.records.len() - 1
        })
    }

    /// The record in a slot.
    pub fn record(&mut self, slot: usize) -> &mut Held {
        &mut self.records[slot]
    }

    /// Gives a slot back that has no rows.
    pub fn release(&mut self, slot: usize) {
        self.free.push(slot);
    }

    /// Adds a row of a held record.
    pub fn push(&mut self, row: PendingRow) {
        self.records[row.slot].n_rows_left += 1;
        self.rows.push(Reverse(row));
    }

    /// The next row before `frontier` (all rows for `None`) and its record. Call [`Window::done`] with the row after.
    pub fn pop_before(&mut self, frontier: Option<i32>) -> Option<PendingRow> {
        let ready = self.rows.peek().is_some_and(|Reverse(row)| frontier.is_none_or(|frontier| row.vcf_pos < frontier));
        if ready { self.rows.pop().map(|Reverse(row)| row) } else { None }
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row is out; its record leaves with its last row.
    pub fn done(&mut self, row: &PendingRow) {
        let record = &mut self.records[row.slot];
        record.n_rows_left -= 1;
        if record.n_rows_left == 0 {
            self.free.push(row.slot);
        }
    }
}
