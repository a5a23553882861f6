//! The two integer types of columns.

use parquet::file::statistics::Statistics;

/// `i32` or `i64`, as Parquet stores them.
pub trait Word: Copy + Ord {
    /// Stands for null in a slice of values; no value of VCF is that low (VCF 4.5 section 1.3).
    const NULL: Self;
    /// Widened.
    fn to_i64(self) -> i64;
    /// Narrowed; the number is one of the type.
    fn from_i64(value: i64) -> Self;
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
    fn from_i64(value: i64) -> i32 {
        value as i32
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
    fn from_i64(value: i64) -> i64 {
        value
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
