//! Definition and repetition levels: which entries of a page are null, and where lists begin (Parquet format, Nested Encoding).

use super::encoding::{push_packed_bytes, push_run};

/// Appends `n` levels of 0 or 1, all the same, behind their length.
pub fn push_level_run(body: &mut Vec<u8>, level: u32, n: usize) {
    let mut levels = Vec::new();
    push_run(&mut levels, level, n, 1);
    push_sized(body, &levels);
}

/// Appends levels of 0 (null) and 1 behind their length.
pub fn push_levels(body: &mut Vec<u8>, levels: &[u8], n_null: usize) {
    match n_null {
        0 => push_level_run(body, 1, levels.len()),
        n_null if n_null == levels.len() => push_level_run(body, 0, levels.len()),
        _ => {
            let mut bytes = Vec::new();
            push_packed_bytes(&mut bytes, levels, 1);
            push_sized(body, &bytes);
        }
    }
}

fn push_sized(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    body.extend_from_slice(bytes);
}

/// Set in the end of a list that is null.
pub const NO_LIST: u32 = 1 << 31;

/// Nullable lists of nullable items, one a row.
pub struct Lists<'a, F> {
    /// End of each list among the items, with [`NO_LIST`] where it is null.
    pub ends: &'a [u32],
    /// Items of all lists.
    pub n_items: usize,
    /// Whether an item is null.
    pub is_null: F,
    /// Items that are null.
    pub n_null: usize,
}

/// Definition levels of a nullable list of nullable items.
mod level {
    pub const NULL_LIST: u8 = 0;
    pub const EMPTY_LIST: u8 = 1;
    pub const NULL_ITEM: u8 = 2;
    pub const ITEM: u8 = 3;
}

impl<F: Fn(usize) -> bool> Lists<'_, F> {
    /// Lists that are null or empty: each has an entry, but no item.
    pub fn n_without_items(&self) -> usize {
        let mut start = 0;
        let is_without = |&&end: &&u32| {
            let end = end & !NO_LIST;
            std::mem::replace(&mut start, end) == end
        };
        self.ends.iter().filter(is_without).count()
    }

    /// The length that all lists have, where none is null or empty.
    fn one_length(&self) -> Option<usize> {
        let first = *self.ends.first().filter(|&&end| end & NO_LIST == 0)? as usize;
        let is_regular = first > 0 && self.ends.iter().enumerate().all(|(row, &end)| end as usize == (row + 1) * first);
        is_regular.then_some(first)
    }

    /// Appends the repetition and the definition levels, each behind its length.
    pub fn push_levels(&self, body: &mut Vec<u8>) {
        let (mut repetition, mut definition) = (Vec::new(), Vec::new());
        if let Some(length) = self.one_length().filter(|_| self.n_null == 0) {
            let mut again = vec![1; self.n_items];
            again.iter_mut().step_by(length).for_each(|level| *level = 0);
            push_packed_bytes(&mut repetition, &again, 1);
            push_run(&mut definition, u32::from(level::ITEM), self.n_items, 2);
        } else {
            let (again, defined) = self.entries();
            push_packed_bytes(&mut repetition, &again, 1);
            push_packed_bytes(&mut definition, &defined, 2);
        }
        push_sized(body, &repetition);
        push_sized(body, &definition);
    }

    /// Repetition and definition level of each entry.
    fn entries(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut again, mut defined) = (Vec::with_capacity(self.n_items), Vec::with_capacity(self.n_items));
        let mut start = 0;
        for &end in self.ends {
            let (is_null, end) = (end & NO_LIST != 0, (end & !NO_LIST) as usize);
            if start == end {
                again.push(0);
                defined.push(if is_null { level::NULL_LIST } else { level::EMPTY_LIST });
            }
            for item in start..end {
                again.push(u8::from(item > start));
                defined.push(if (self.is_null)(item) { level::NULL_ITEM } else { level::ITEM });
            }
            start = end;
        }
        (again, defined)
    }
}
