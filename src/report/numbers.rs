//! Columns of numbers as the page holds them, medians, and outliers.

use serde::Serialize;

/// Longest column that is written as a JSON array.
const MOST_PLAIN: usize = 5_000;
/// Digits of packed columns: printable ASCII that neither JSON nor HTML has to escape.
const DIGITS: &[u8; 90] = b" !#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/// A column of numbers that are multiples of `step`.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Series {
    /// Unit of the integers.
    pub step: f64,
    #[serde(flatten)]
    values: Values,
}

#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(untagged)]
enum Values {
    /// One integer a row.
    Plain { values: Vec<Option<i64>> },
    /// `width` digits of base 90 a row, most significant first: 0 is null, else the integer - `min` + 1.
    Packed { min: i64, width: usize, digits: String },
}

impl Series {
    /// Of whole numbers.
    pub fn of_integers(values: impl Iterator<Item = i64>) -> Series {
        Series { step: 1.0, values: pack(values.map(Some).collect()) }
    }

    /// Of numbers rounded to multiples of `step`.
    pub fn rounded(values: &[Option<f64>], step: f64) -> Series {
        let steps = values.iter().map(|value| value.filter(|v| v.is_finite()).map(|v| (v / step).round() as i64));
        Series { step, values: pack(steps.collect()) }
    }
}

fn pack(values: Vec<Option<i64>>) -> Values {
    if values.len() <= MOST_PLAIN {
        return Values::Plain { values };
    }
    let known = || values.iter().flatten();
    let min = known().copied().min().unwrap_or_default();
    let codes: Vec<u64> = values.iter().map(|value| value.map_or(0, |v| v.abs_diff(min) + 1)).collect();
    let most = codes.iter().copied().max().unwrap_or_default();
    let mut width = 1;
    while DIGITS.len().checked_pow(width).is_some_and(|codes| codes as u64 <= most) {
        width += 1;
    }
    let mut digits = String::with_capacity(codes.len() * width as usize);
    for code in codes {
        for place in (0..width).rev() {
            let digit = code / (DIGITS.len() as u64).pow(place) % DIGITS.len() as u64;
            digits.push(char::from(DIGITS[digit as usize]));
        }
    }
    Values::Packed { min, width: width as usize, digits }
}

/// `value` with six significant digits.
pub fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// Median; `None` of no numbers. Reorders them.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    Some(if n % 2 == 1 { values[n / 2] } else { (values[n / 2 - 1] + values[n / 2]) / 2.0 })
}

/// Median, and the range outside of which a sample is an outlier.
#[derive(Clone, Copy, Debug, Serialize, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// Median -/+ [`MADS`] scaled median absolute deviations; none where there are few values, or more than half are equal.
    pub bounds: Option<(f64, f64)>,
    /// How many are outside.
    pub n_outside: usize,
}

/// Scaled median absolute deviations from the median that make an outlier: the rule of gnomAD's sample QC (Karczewski et al. 2020,
/// Nature 581:434, doi:10.1038/s41586-020-2308-7, supplement).
pub const MADS: f64 = 4.0;
/// The median absolute deviation of a normal distribution times this is its standard deviation.
const MAD_SCALE: f64 = 1.4826;
/// Fewest values for which outliers are looked for.
const FEWEST: usize = 20;

/// Of the known `values`; `None` where none is known.
pub fn spread(values: &[Option<f64>]) -> Option<Spread> {
    let mut known: Vec<f64> = values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    let middle = median(&mut known)?;
    let mut away: Vec<f64> = known.iter().map(|value| (value - middle).abs()).collect();
    let reach = MADS * MAD_SCALE * median(&mut away)?;
    let bounds = (known.len() >= FEWEST && reach > 0.0).then_some((middle - reach, middle + reach));
    let is_outside = |value: &&f64| bounds.is_some_and(|(low, high)| **value < low || **value > high);
    Some(Spread { median: middle, bounds, n_outside: known.iter().filter(is_outside).count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(values: &Values) -> Vec<Option<i64>> {
        let Values::Packed { min, width, digits } = values else { panic!("not packed") };
        let code = |chunk: &[u8]| {
            chunk
                .iter()
                .fold(0, |sum, c| sum * 90 + DIGITS.iter().position(|digit| digit == c).expect("a digit") as i64)
        };
        digits.as_bytes().chunks(*width).map(code).map(|code| (code > 0).then(|| code - 1 + min)).collect()
    }

    #[test]
    fn packed_columns_come_back() {
        let values: Vec<Option<i64>> =
            (0..20_000i64).map(|at| (at % 7 != 3).then_some(at * at % 1_000_003 - 400)).collect();
        let packed = pack(values.clone());
        assert_eq!(unpacked(&packed), values);
        assert_eq!(unpacked(&pack(vec![None; 6_000])), vec![None; 6_000]);
        assert_eq!(unpacked(&pack(vec![Some(i64::from(i32::MAX)); 6_000])).pop(), Some(Some(i64::from(i32::MAX))));
    }

    #[test]
    fn digits_need_no_escape() {
        let text = String::from_utf8(DIGITS.to_vec()).expect("ASCII");
        assert_eq!(serde_json::to_string(&text).expect("JSON").len(), 92);
        assert!(!text.contains(['<', '>', '&', '"', '\\']));
        let unique: std::collections::BTreeSet<u8> = DIGITS.iter().copied().collect();
        assert_eq!(unique.len(), 90);
    }

    #[test]
    fn outliers_by_the_median() {
        let mut values: Vec<Option<f64>> = (0..100).map(|at| Some(f64::from(at % 10))).collect();
        values.extend([Some(100.0), None, Some(f64::NAN)]);
        let found = spread(&values).expect("known");
        assert_eq!((found.median, found.n_outside), (5.0, 1));
        assert_eq!(spread(&[Some(1.0); 30]).expect("known").bounds, None);
        assert_eq!(spread(&[None]), None);
    }
}
