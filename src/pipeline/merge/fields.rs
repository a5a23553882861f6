//! Fixed fields of a row that several records have.

use super::super::record::Held;
use super::RowKey;

/// An allele as a record writes it.
pub struct WrittenAllele<'r> {
    /// The record.
    pub record: &'r Held,
    /// Which ALT of it; 0: it has none.
    pub alt_index: u32,
}

impl<'r> WrittenAllele<'r> {
    /// REF and ALT where they differ from a row.
    pub fn unless_same(&self, key: &RowKey) -> Option<(&'r [u8], &'r [u8])> {
        let view = self.record.view();
        let alt = match self.alt_index {
            0 => view.alt(),
            index => view.alts().nth(index as usize - 1).unwrap_or_default(),
        };
        let same = key.vcf_pos == self.record.vcf_pos && key.ref_allele == view.ref_allele() && key.alt_allele == alt;
        (!same).then_some((view.ref_allele(), alt))
    }
}

/// Fixed fields of a row that several records have.
pub struct MergedFields {
    /// ID, `.` for none.
    pub id: Vec<u8>,
    /// QUAL.
    pub qual: Option<f64>,
    /// FILTER, `.` for none.
    pub filter: Vec<u8>,
    /// FORMAT.
    pub format: Option<Vec<u8>>,
}

impl MergedFields {
    /// IDs and FORMAT keys: all, in order of appearance. QUAL: the highest. FILTER: all that failed; PASS when none did
    /// and one says so.
    pub fn new<'r>(records: impl Iterator<Item = &'r Held>) -> MergedFields {
        let mut merged = MergedFields { id: Vec::new(), qual: None, filter: Vec::new(), format: None };
        let mut passed = false;
        for record in records {
            let view = record.view();
            if view.id() != b"." {
                add_items(&mut merged.id, view.id(), b';');
            }
            merged.qual = match (merged.qual, record.qual) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
            match view.filter() {
                b"." => {}
                b"PASS" => passed = true,
                failed => add_items(&mut merged.filter, failed, b';'),
            }
            if let Some(format) = view.format() {
                add_items(merged.format.get_or_insert_default(), format, b':');
            }
        }
        if merged.id.is_empty() {
            merged.id.push(b'.');
        }
        if merged.filter.is_empty() {
            merged.filter.extend_from_slice(if passed { b"PASS" } else { b"." });
        }
        merged
    }
}

/// Adds the items of `more` that `list` does not have.
fn add_items(list: &mut Vec<u8>, more: &[u8], separator: u8) {
    for item in more.split(|&byte| byte == separator).filter(|item| !item.is_empty()) {
        if list.split(|&byte| byte == separator).any(|known| known == item) {
            continue;
        }
        if !list.is_empty() {
            list.push(separator);
        }
        list.extend_from_slice(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_added_once_in_order() {
        let mut list = b"rs1;rs2".to_vec();
        add_items(&mut list, b"rs2;rs3", b';');
        assert_eq!(list, b"rs1;rs2;rs3");
    }
}
