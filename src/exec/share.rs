//! Which shards of a plan are one task's.

/// One task of an array. Any number of tasks gives the same dataset: shards belong to the plan, not to the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub index: u64,
    /// Number of tasks, at least 1.
    pub count: u64,
}

impl Share {
    /// The only task.
    pub const ALL: Share = Share { index: 0, count: 1 };

    /// The task's part of a list: every `count`-th of the list ordered by size, largest first, so that no task is left with a
    /// large one at its end. Sizes within a factor of two count as the same; those stay in the order of the list, which is
    /// that of the bytes in the inputs.
    pub fn of<'a, T>(&self, list: &'a [T], bytes: impl Fn(&T) -> u64) -> Vec<&'a T> {
        let mut ordered: Vec<&T> = list.iter().collect();
        ordered.sort_by_key(|item| std::cmp::Reverse(bytes(item).max(1).ilog2()));
        ordered.into_iter().skip(self.index as usize).step_by(self.count as usize).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn largest_first_then_in_order() {
        let sizes = [10u64, 9, 300, 8, 1000, 15];
        let of =
            |index| -> Vec<u64> { Share { index, count: 2 }.of(&sizes, |size| *size).into_iter().copied().collect() };
        assert_eq!(of(0), [1000, 10, 8]);
        assert_eq!(of(1), [300, 9, 15]);
    }

    proptest! {
        #[test]
        fn every_shard_is_one_tasks(sizes in proptest::collection::vec(0u64..1 << 40, 0..200), count in 1u64..40) {
            let list: Vec<(usize, u64)> = sizes.iter().copied().enumerate().collect();
            let mut all: Vec<usize> = (0..count)
                .flat_map(|index| Share { index, count }.of(&list, |item| item.1).into_iter().map(|item| item.0).collect::<Vec<_>>())
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
        }
    }
}
