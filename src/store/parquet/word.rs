//! The two integer types of columns.

use super::chunk::Bounds;
use crate::wide::wide;
use parquet::file::statistics::Statistics;

/// `i32` or `i64`, as Parquet stores them.
pub trait Word: Copy + Ord {
    /// Stands for null in a slice of values; no value of VCF is that low (VCF 4.5 section 1.3).
    const NULL: Self;
    /// Widened.
    fn to_i64(self) -> i64;
    /// A difference, wrapped to the width of the type.
    fn wrap(difference: i64) -> i64;
    /// A difference of differences as the unsigned twin of the type.
    fn unsigned(difference: i64) -> u64;
    /// Appends the PLAIN form.
    fn push_plain(self, out: &mut Vec<u8>);
    /// Statistics of a chunk or page.
    fn statistics(least: Option<Self>, most: Option<Self>, n_null: u64) -> Statistics;
}

impl Word for i32 {
    const NULL: i32 = i32::MIN;

    #[inline]
    fn to_i64(self) -> i64 {
        i64::from(self)
    }

    #[inline]
    fn wrap(difference: i64) -> i64 {
        i64::from(difference as i32)
    }

    #[inline]
    fn unsigned(difference: i64) -> u64 {
        u64::from(difference as u32)
    }

    #[inline]
    fn push_plain(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn statistics(least: Option<i32>, most: Option<i32>, n_null: u64) -> Statistics {
        Statistics::int32(least, most, None, Some(n_null), false)
    }
}

impl Word for i64 {
    const NULL: i64 = i64::MIN;

    #[inline]
    fn to_i64(self) -> i64 {
        self
    }

    #[inline]
    fn wrap(difference: i64) -> i64 {
        difference
    }

    #[inline]
    fn unsigned(difference: i64) -> u64 {
        difference as u64
    }

    #[inline]
    fn push_plain(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn statistics(least: Option<i64>, most: Option<i64>, n_null: u64) -> Statistics {
        Statistics::int64(least, most, None, Some(n_null), false)
    }
}

/// Least and largest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<T> {
    least: T,
    most: T,
}

impl<T: Word> Range<T> {
    /// Of numbers, none of them null; `None` without numbers.
    pub fn of(values: impl Iterator<Item = T>) -> Option<Self> {
        values.fold(None, |range, value| {
            Some(range.map_or(Range { least: value, most: value }, |range: Range<T>| Range {
                least: range.least.min(value),
                most: range.most.max(value),
            }))
        })
    }

    /// The same of a slice.
    pub fn of_slice(values: &[T]) -> Option<Self> {
        values.first().map(|&first| extremes(values, first))
    }

    /// Of both.
    pub fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Range { least: one.least.min(other.least), most: one.most.max(other.most) })
            }
            (one, other) => one.or(other),
        }
    }

    /// Whether the null may be among the numbers: it is the least of its type.
    pub fn may_have_null(self) -> bool {
        self.least == T::NULL
    }

    /// For the page index.
    pub fn bounds(self) -> Bounds {
        let plain = |value: T| {
            let mut bytes = Vec::new();
            value.push_plain(&mut bytes);
            bytes
        };
        [plain(self.least), plain(self.most)]
    }

    /// For the footer.
    pub fn statistics(range: Option<Self>, n_null: u64) -> Statistics {
        T::statistics(range.map(|range| range.least), range.map(|range| range.most), n_null)
    }
}

wide! {
    /// Least and largest of `values` and `first`.
    fn extremes<T: Word>(values: &[T], first: T) -> Range<T> {
        let (mut least, mut most) = (first, first);
        for &value in values {
            least = least.min(value);
            most = most.max(value);
        }
        Range { least, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slice_has_the_range_of_its_numbers(values in prop::collection::vec(any::<i32>(), 0..70)) {
            prop_assert_eq!(Range::of_slice(&values), Range::of(values.iter().copied()));
        }

        #[test]
        fn a_slice_of_long_numbers_too(values in prop::collection::vec(any::<i64>(), 0..70)) {
            prop_assert_eq!(Range::of_slice(&values), Range::of(values.iter().copied()));
        }
    }
}
