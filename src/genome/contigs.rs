//! The reference sequences of a cohort, by name and by index.

use std::collections::HashMap;

/// One reference sequence.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Contig {
    /// Name as in the header.
    pub name: String,
    /// Length in base pairs, where a header gives it.
    pub length: Option<u64>,
}

/// Contigs in cohort order. Names are unique.
#[derive(Clone, Debug, Default)]
pub struct Contigs {
    list: Vec<Contig>,
    by_name: HashMap<Box<[u8]>, u32>,
}

/// More contigs than an identifier can hold (15 bits above the position).
pub const MAX_CONTIGS: usize = 1 << 15;

impl Contigs {
    /// From a list in order; later duplicates of a name are dropped.
    pub fn from_list(list: impl IntoIterator<Item = Contig>) -> Self {
        let mut contigs = Contigs::default();
        for contig in list {
            contigs.add(contig);
        }
        contigs
    }

    /// Adds a contig unless its name is known; returns its index. A length that was unknown is filled in.
    pub fn add(&mut self, contig: Contig) -> u32 {
        if let Some(&index) = self.by_name.get(contig.name.as_bytes()) {
            let known = &mut self.list[index as usize].length;
            *known = known.or(contig.length);
            return index;
        }
        let index = self.list.len() as u32;
        self.by_name.insert(contig.name.as_bytes().into(), index);
        self.list.push(contig);
        index
    }

    /// Index of a name.
    pub fn index_of(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The contig at an index.
    pub fn get(&self, index: u32) -> &Contig {
        &self.list[index as usize]
    }

    /// Name of the contig at an index.
    pub fn name(&self, index: u32) -> &str {
        &self.list[index as usize].name
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Contig> {
        self.list.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
