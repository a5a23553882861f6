//! Least and largest text of a page or chunk, by bytes, cut to what an index needs.

use super::chunk::Bounds;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// Bytes of a bound at most.
const MAX_BYTES: usize = 64;

/// No text is less than `least` or larger than `most`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRange {
    least: Vec<u8>,
    most: Vec<u8>,
    /// Whether `least` and `most` are texts that are there.
    is_exact: [bool; 2],
}

impl TextRange {
    /// Of texts; `None` without texts, or where the largest cannot be cut.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Option<TextRange> {
        let mut range: Option<(&str, &str)> = None;
        for text in texts {
            range = Some(range.map_or((text, text), |(least, most)| (least.min(text), most.max(text))));
        }
        let (least, most) = range?;
        let cut_least = &least[..least.floor_char_boundary(MAX_BYTES)];
        let cut_most = round_up(most)?;
        let is_exact = [cut_least.len() == least.len(), most.len() <= MAX_BYTES];
        Some(TextRange { least: cut_least.into(), most: cut_most, is_exact })
    }

    /// Of both.
    pub fn join(one: TextRange, other: TextRange) -> TextRange {
        let (least, is_least_exact) = (one.least, one.is_exact[0]).min((other.least, other.is_exact[0]));
        let (most, is_most_exact) = (one.most, one.is_exact[1]).max((other.most, other.is_exact[1]));
        TextRange { least, most, is_exact: [is_least_exact, is_most_exact] }
    }

    /// For the page index.
    pub fn bounds(&self) -> Bounds {
        [self.least.clone(), self.most.clone()]
    }

    /// For the footer.
    pub fn statistics(self, n_null: u64) -> Statistics {
        let values = ValueStatistics::new(Some(self.least.into()), Some(self.most.into()), None, Some(n_null), false);
        let [is_least_exact, is_most_exact] = self.is_exact;
        Statistics::ByteArray(values.with_min_is_exact(is_least_exact).with_max_is_exact(is_most_exact))
    }
}

/// The text, or a short one that is larger: its beginning with the last ASCII letter that can be raised by one.
fn round_up(text: &str) -> Option<Vec<u8>> {
    if text.len() <= MAX_BYTES {
        return Some(text.into());
    }
    let mut cut = text.as_bytes()[..text.floor_char_boundary(MAX_BYTES)].to_vec();
    let at = cut.iter().rposition(|&byte| byte < 0x7e)?;
    cut.truncate(at + 1);
    cut[at] += 1;
    Some(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        let long = "x".repeat(100);
        let range = TextRange::of(["b", &long, "a"].into_iter()).expect("a range");
        let mut most = "x".repeat(63).into_bytes();
        most.push(b'y');
        assert_eq!(range.bounds(), [b"a".to_vec(), most]);
        assert_eq!(range.is_exact, [true, false]);
        let other = TextRange::of(std::iter::once(long.as_str())).expect("a range");
        assert_eq!(other.least, vec![b'x'; 64]);
        assert_eq!(TextRange::join(range.clone(), other), range);
        // cut at a letter, which is not raised itself
        let accents = format!("m{}", "é".repeat(50));
        assert_eq!(round_up(&accents), Some(b"n".to_vec()));
        assert_eq!(round_up(&"é".repeat(50)), None);
        assert_eq!(TextRange::of(std::iter::empty()), None);
    }
}
