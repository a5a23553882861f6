//! Sums over the carriers of an allele, and the INFO values that follow from them. Integers only until the last step, so
//! that the order of samples does not matter.

use crate::call::joint::annotation::{fisher_strand, median_of_bins, root_mean_square, strand_odds_ratio};
use crate::call::joint::census::{BlockSums, N_BINS, bin};
use crate::call::joint::record::SampleRecord;
use crate::call::joint::site::SampleCall;
use crate::decode::vcf::{info_entries, parse_f64, parse_i32, push_int};
use std::collections::BTreeMap;
use std::io::Write;

/// Rank-sum annotations: INFO key of the input, INFO key of the row.
const RANK_SUMS: [(&[u8], &str); 3] =
    [(b"MQRankSum", "AS_MQRankSum"), (b"ReadPosRankSum", "AS_ReadPosRankSum"), (b"BaseQRankSum", "AS_BaseQRankSum")];
/// Width of a bin of rank sums is one tenth.
const RANK_SUM_BINS_PER_UNIT: f64 = 10.0;
/// Called samples with a GQ below this count as of low quality.
const LOW_GQ: u32 = 20;

/// Sums over the carriers of one allele.
#[derive(Clone, Debug, Default)]
pub struct AlleleSums {
    n_carriers: i64,
    n_filtered: i64,
    dp: i64,
    ad_ref: i64,
    ad_alt: i64,
    het_ad_ref: i64,
    het_ad_alt: i64,
    strands: [u64; 4],
    has_strands: bool,
    mq_squares: f64,
    mq_reads: i64,
    rank_sums: [BTreeMap<i32, u64>; 3],
    gq: BTreeMap<i32, u64>,
    dp_bins: [i64; N_BINS],
    gq_bins: [i64; N_BINS],
    balance_bins: [i64; N_BINS],
}

impl AlleleSums {
    /// Adds a carrier of allele `allele` of the site.
    pub fn add(&mut self, call: &SampleCall, allele: u16, record: &SampleRecord, info: &[u8]) {
        self.n_carriers += 1;
        self.n_filtered += i64::from(record.filtered);
        if let Some(dp) = call.dp {
            self.dp += i64::from(dp);
            self.dp_bins[bin(dp)] += 1;
        }
        if let Some(gq) = call.gq {
            self.gq_bins[bin(gq)] += 1;
            *self.gq.entry(gq as i32).or_default() += 1;
        }
        self.add_depths(call, usize::from(allele));
        if let Some(strands) = record.sb {
            self.has_strands = true;
            for (sum, reads) in self.strands.iter_mut().zip(strands) {
                *sum += u64::from(reads);
            }
        }
        self.add_info(info, record.dp);
    }

    fn add_depths(&mut self, call: &SampleCall, allele: usize) {
        let (Some(&ad_ref), Some(&ad_alt)) = (call.ad.first(), call.ad.get(allele)) else { return };
        self.ad_ref += i64::from(ad_ref);
        self.ad_alt += i64::from(ad_alt);
        let is_het = call.gt.alleles.contains(&0) && call.gt.alleles.len() == 2;
        let reads = ad_ref + ad_alt;
        if is_het && reads > 0 {
            self.het_ad_ref += i64::from(ad_ref);
            self.het_ad_alt += i64::from(ad_alt);
            let place = (u64::from(ad_alt) * N_BINS as u64 / u64::from(reads)) as usize;
            self.balance_bins[place.min(N_BINS - 1)] += 1;
        }
    }

    fn add_info(&mut self, info: &[u8], dp: Option<u32>) {
        let mut mq = None;
        for (key, value) in info_entries(info) {
            let Some(value) = value else { continue };
            match key {
                b"RAW_MQandDP" => mq = raw_mq_and_dp(value).or(mq),
                b"RAW_MQ" => mq = mq.or(parse_f64(value).zip(dp.map(i64::from))),
                b"MQ" => mq = mq.or(parse_f64(value).zip(dp).map(|(mq, dp)| (mq * mq * f64::from(dp), i64::from(dp)))),
                _ => {
                    if let Some(which) = RANK_SUMS.iter().position(|(name, _)| *name == key)
                        && let Some(z) = parse_f64(value)
                    {
                        let place = (z * RANK_SUM_BINS_PER_UNIT).round() as i32;
                        *self.rank_sums[which].entry(place).or_default() += 1;
                    }
                }
            }
        }
        if let Some((squares, reads)) = mq {
            // whole numbers add up to the same in any order
            self.mq_squares += squares.round();
            self.mq_reads += reads;
        }
    }

    /// Number of carriers.
    pub fn n_carriers(&self) -> i64 {
        self.n_carriers
    }

    /// Whether every carrier failed the filters of its input.
    pub fn all_filtered(&self) -> bool {
        self.n_carriers > 0 && self.n_filtered == self.n_carriers
    }

    /// Appends the INFO entries of the allele to `text`.
    pub fn write(&self, qual: f64, text: &mut Vec<u8>) {
        let mut number = |key: &str, value: i64| write_number(key, value, text);
        number("CARRIERS", self.n_carriers);
        if self.n_carriers == 0 {
            return;
        }
        number("CARRIER_DP", self.dp);
        number("AD_REF", self.ad_ref);
        number("AD_ALT", self.ad_alt);
        if let Some((&most, _)) = self.gq.last_key_value() {
            number("MAX_GQ", i64::from(most));
        }
        if let Some(median) = median_of_bins(&self.gq) {
            number("MEDIAN_GQ", median.round() as i64);
        }
        let mut value = |key: &str, value: Option<f64>| {
            if let Some(value) = value {
                write_float(key, value, text);
            }
        };
        value("AS_QD", (self.dp > 0).then(|| qual / self.dp as f64));
        let het_reads = self.het_ad_ref + self.het_ad_alt;
        value("AB", (het_reads > 0).then(|| self.het_ad_alt as f64 / het_reads as f64));
        if self.has_strands {
            value("AS_FS", Some(fisher_strand(self.strands)));
            value("AS_SOR", Some(strand_odds_ratio(self.strands)));
        }
        value("AS_MQ", root_mean_square(self.mq_squares, self.mq_reads));
        for ((_, key), bins) in RANK_SUMS.iter().zip(&self.rank_sums) {
            value(key, median_of_bins(bins).map(|place| place / RANK_SUM_BINS_PER_UNIT));
        }
        if self.has_strands {
            write_counts("AS_SB_TABLE", self.strands.iter().map(|&reads| reads as i64), text);
        }
        write_bins("DP_HIST_ALT", &self.dp_bins, text);
        write_bins("GQ_HIST_ALT", &self.gq_bins, text);
        if het_reads > 0 {
            write_bins("AB_HIST_ALT", &self.balance_bins, text);
        }
    }
}

/// `RAW_MQandDP=sum of squares,reads`.
fn raw_mq_and_dp(value: &[u8]) -> Option<(f64, i64)> {
    let mut parts = value.split(|&byte| byte == b',');
    let squares = parse_f64(parts.next()?)?;
    let reads = parse_i32(parts.next()?)?;
    (parts.next().is_none() && squares >= 0.0 && reads >= 0).then_some((squares, i64::from(reads)))
}

/// Sums over all called samples of a site.
#[derive(Clone, Debug, Default)]
pub struct SiteAnnotations {
    /// Of samples whose call is listed, and of those called by blocks.
    pub sums: BlockSums,
    /// Called samples.
    pub n_called: i64,
    /// Missing calls by reason, in the order of [`crate::call::joint::reason::Reason::ALL`].
    pub missing: [i64; 7],
}

/// INFO keys of [`SiteAnnotations::missing`].
const MISSING_KEYS: [&str; 7] = ["N_NODATA", "N_INPUT", "N_DEPTH", "N_QUALITY", "N_LOST", "N_OVERLAP", "N_SEX"];

impl SiteAnnotations {
    /// Appends the INFO entries of the site to `text`, which must not be empty.
    pub fn write(&self, text: &mut Vec<u8>) {
        write_number("DP", self.sums.dp, text);
        write_number("NS", self.n_called, text);
        for (key, n) in MISSING_KEYS.iter().zip(self.missing) {
            write_number(key, n, text);
        }
        write_number("N_LOWGQ", self.sums.gq_bins[..bin(LOW_GQ)].iter().sum::<i64>(), text);
        write_bins("DP_HIST_ALL", &self.sums.dp_bins, text);
        write_bins("GQ_HIST_ALL", &self.sums.gq_bins, text);
    }
}

fn write_key(key: &str, text: &mut Vec<u8>) {
    text.push(b';');
    text.extend_from_slice(key.as_bytes());
    text.push(b'=');
}

/// `;KEY=value`.
pub fn write_number(key: &str, value: i64, text: &mut Vec<u8>) {
    write_key(key, text);
    push_int(text, value);
}

/// `;KEY=value`, rounded to six decimals so that the same sums give the same bytes.
pub fn write_float(key: &str, value: f64, text: &mut Vec<u8>) {
    write_key(key, text);
    push_rounded(value, text);
}

/// Decimals of a value that is rounded.
const MILLIONTHS: i64 = 1_000_000;

/// Appends a value with up to six decimals: the shortest text of the rounded number.
fn push_rounded(value: f64, text: &mut Vec<u8>) {
    /// Up to so many digits, a decimal number is the shortest text of the float next to it.
    const EXACT: f64 = 1e15;
    let millionths = (value * MILLIONTHS as f64).round();
    if millionths.is_nan() || millionths.abs() >= EXACT {
        let _ = write!(text, "{}", millionths / MILLIONTHS as f64 + 0.0);
        return;
    }
    let millionths = millionths as i64;
    if millionths < 0 {
        text.push(b'-');
    }
    let (whole, mut part) = (millionths.abs() / MILLIONTHS, millionths.abs() % MILLIONTHS);
    push_int(text, whole);
    if part > 0 {
        text.push(b'.');
        while part > 0 {
            part *= 10;
            text.push(b'0' + (part / MILLIONTHS) as u8);
            part %= MILLIONTHS;
        }
    }
}

fn write_bins(key: &str, bins: &[i64; N_BINS], text: &mut Vec<u8>) {
    write_counts(key, bins.iter().copied(), text);
}

/// `;KEY=1|2|3`.
fn write_counts(key: &str, counts: impl Iterator<Item = i64>, text: &mut Vec<u8>) {
    write_key(key, text);
    for (place, n) in counts.enumerate() {
        if place > 0 {
            text.push(b'|');
        }
        push_int(text, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounded_values_are_written_as_the_shortest_text(value in prop_oneof![any::<f64>(), -1e4..1e4, -1.0..1.0, 0.0..1e10]) {
            let mut text = Vec::new();
            push_rounded(value, &mut text);
            let rounded = (value * 1e6).round() / 1e6 + 0.0;
            prop_assert_eq!(String::from_utf8(text).expect("digits"), format!("{rounded}"));
        }
    }
}
