//! The records that cover each site, sample by sample.

use crate::call::joint::record::SampleRecord;

/// A sweep over records in the order of sites.
pub struct Active<'r> {
    records: &'r [SampleRecord],
    /// Indexes by first base of their reach.
    by_reach: Vec<u32>,
    next: usize,
    active: Vec<u32>,
    here: Vec<(usize, &'r SampleRecord)>,
}

impl<'r> Active<'r> {
    /// Over records in the order of (position, sample, input).
    pub fn new(records: &'r [SampleRecord]) -> Self {
        let mut by_reach: Vec<u32> = (0..records.len() as u32).collect();
        by_reach.sort_by_key(|&i| records[i as usize].reach.0);
        Active { records, by_reach, next: 0, active: Vec::new(), here: Vec::new() }
    }

    /// The records of each sample that reach over a base, samples ascending; bases must not descend from call to call.
    pub fn samples_at(&mut self, vcf_pos: i32) -> impl Iterator<Item = &[(usize, &'r SampleRecord)]> {
        let records = self.records;
        self.active.retain(|&i| records[i as usize].reach.1 >= vcf_pos);
        while let Some(&i) = self.by_reach.get(self.next).filter(|&&i| records[i as usize].reach.0 <= vcf_pos) {
            self.next += 1;
            if records[i as usize].reach.1 >= vcf_pos {
                self.active.push(i);
            }
        }
        self.here.clear();
        self.here.extend(self.active.iter().map(|&i| (i as usize, &records[i as usize])));
        self.here.sort_unstable_by_key(|(index, record)| (record.sample, *index));
        self.here.chunk_by(|a, b| a.1.sample == b.1.sample)
    }
}
