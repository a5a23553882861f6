//! VCF text of the cohort (with missing genotypes, and reads if asked for) and of the truth.

use super::random::{Purpose, Stream, hash, stream};
use super::reads::{Call, Costs, ReadModel};
use super::sites::Site;
use super::{Cohort, FormatFields};
use rand::Rng;
use std::io::Write;

/// A sample with fewer reads at a site is missing there.
pub const MIN_CALLED_DP: u32 = 3;

/// Sites with a lower QUAL have the filter LowQual.
const LOW_QUAL: f64 = 48.0;

/// A haplotype without a known allele.
const MISSING: u8 = u8::MAX;

/// The two files that hold the whole cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What a caller would have seen.
    Observed,
    /// Phased, complete, without errors.
    Truth,
}

/// What the genotypes of a text add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Genotypes with a known allele.
    pub n_called: u64,
    /// Genotypes with an alternate allele.
    pub n_not_reference: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.n_called += other.n_called;
        self.n_not_reference += other.n_not_reference;
    }
}

/// The header of a view, to the end of the `#CHROM` line.
pub fn header(cohort: &Cohort, view: View) -> String {
    let mut text = String::from("##fileformat=VCFv4.3\n##FILTER=<ID=PASS,Description=\"All filters passed\">\n");
    text += "##FILTER=<ID=LowQual,Description=\"QUAL is below 48\">\n";
    text += &format!("##source=varbatch simulate {}, seed {}\n", env!("CARGO_PKG_VERSION"), cohort.seed);
    text += "##reference=reference.fa\n";
    for contig in &cohort.contigs {
        text += &format!("##contig=<ID={contig},length={}>\n", cohort.length_bp);
    }
    text += "##INFO=<ID=AC,Number=A,Type=Integer,Description=\"Copies of each alternate allele\">\n";
    text += "##INFO=<ID=AF,Number=A,Type=Float,Description=\"AC divided by AN\">\n";
    text += "##INFO=<ID=AN,Number=1,Type=Integer,Description=\"Alleles in called genotypes\">\n";
    let full = view == View::Observed && cohort.format == FormatFields::Full;
    if full {
        text += "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Reads of all samples\">\n";
    }
    text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n";
    if full {
        text += "##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"Reads of each allele\">\n";
        text += "##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Reads\">\n";
        text += "##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"Second lowest PL, at most 99\">\n";
        text += "##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"Phred-scaled genotype likelihoods\">\n";
    }
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    for sample in &cohort.samples {
        text.push('\t');
        text += sample;
    }
    text.push('\n');
    text
}

/// Turns sites of one contig into text. Holds buffers of one line.
pub struct Renderer<'a> {
    cohort: &'a Cohort,
    model: Option<&'a ReadModel>,
    contig_id: usize,
    view: View,
    /// Alleles of the haplotypes of the current site.
    haplotypes: Vec<[u8; 2]>,
    /// Samples in `haplotypes` that are not 0/0.
    touched: Vec<u32>,
    /// Haplotypes of each sample, where not all have two.
    ploidies: Option<Vec<u8>>,
    /// Where the text of each sample begins in `reference_row`; empty where all have two haplotypes.
    cells: Vec<u32>,
    /// All samples reference, as text.
    reference_row: Vec<u8>,
    row: Vec<u8>,
    costs: Costs,
    /// Copies of each allele in the current site.
    copies: Vec<u32>,
    depth: u64,
    n_called: u64,
    n_not_reference: u64,
}

impl<'a> Renderer<'a> {
    /// For sites of contig `contig_id`; `model` gives the reads of [`FormatFields::Full`].
    pub fn new(cohort: &'a Cohort, model: Option<&'a ReadModel>, contig_id: usize, view: View) -> Self {
        let n_samples = cohort.samples.len();
        let ploidies = cohort.ploidies(contig_id);
        let (reference_row, cells) = reference_row(ploidies.as_deref(), n_samples, view);
        Renderer {
            cohort,
            model: model.filter(|_| view == View::Observed && cohort.format == FormatFields::Full),
            contig_id,
            view,
            haplotypes: vec![[0; 2]; n_samples],
            touched: Vec::new(),
            ploidies,
            cells,
            reference_row,
            row: Vec::new(),
            costs: Costs::default(),
            copies: Vec::new(),
            depth: 0,
            n_called: 0,
            n_not_reference: 0,
        }
    }

    /// Appends the line of `site` to `text`.
    pub fn site(&mut self, site: &Site, text: &mut Vec<u8>) -> Counts {
        for (haplotype, allele) in &site.carriers {
            let sample = haplotype / 2;
            if self.haplotypes[sample as usize] == [0; 2] {
                self.touched.push(sample);
            }
            self.haplotypes[sample as usize][*haplotype as usize % 2] = *allele;
        }
        if self.view == View::Observed {
            let random = stream(self.cohort.seed, Purpose::Site, self.contig_id as u64, site.start);
            self.lose_genotypes(random);
        }
        self.copies.clear();
        self.copies.resize(site.alleles.len(), 0);
        (self.depth, self.n_called, self.n_not_reference) = (0, 0, 0);
        match self.model {
            Some(model) => self.rows_with_reads(site, model),
            None => self.rows_of_genotypes(),
        }
        self.fixed_columns(site, text);
        text.extend_from_slice(&self.row);
        text.push(b'\n');
        for sample in self.touched.drain(..) {
            self.haplotypes[sample as usize] = [0; 2];
        }
        Counts { n_called: self.n_called, n_not_reference: self.n_not_reference }
    }

    fn ploidy(&self, sample: usize) -> u8 {
        self.ploidies.as_ref().map_or(2, |ploidies| ploidies[sample])
    }

    /// Makes a random share of the genotypes missing.
    fn lose_genotypes(&mut self, mut random: Stream) {
        let rate = self.cohort.missing;
        if rate <= 0.0 {
            return;
        }
        let kept = (-rate).ln_1p();
        let mut sample = 0_usize;
        loop {
            let skipped = if rate < 1.0 { (1.0 - random.random::<f64>()).ln() / kept } else { 0.0 };
            sample = sample.saturating_add(skipped as usize);
            if sample >= self.haplotypes.len() {
                return;
            }
            if self.haplotypes[sample] == [0; 2] {
                self.touched.push(sample as u32);
            }
            self.haplotypes[sample] = [MISSING; 2];
            sample += 1;
        }
    }

    /// Sample columns with GT only: the reference row, changed where a sample differs from it.
    fn rows_of_genotypes(&mut self) {
        self.row.clear();
        self.row.extend_from_slice(b"\tGT");
        let start = self.row.len();
        self.row.extend_from_slice(&self.reference_row);
        (self.copies[0], self.n_called) = match &self.ploidies {
            None => (2 * self.haplotypes.len() as u32, self.haplotypes.len() as u64),
            Some(ploidies) => (
                ploidies.iter().map(|ploidy| u32::from(*ploidy)).sum(),
                ploidies.iter().filter(|ploidy| **ploidy > 0).count() as u64,
            ),
        };
        for sample in &self.touched {
            let ploidy = usize::from(self.ploidy(*sample as usize));
            let mut alleles = self.haplotypes[*sample as usize];
            let at = start + self.cells.get(*sample as usize).map_or(4 * *sample as usize, |cell| *cell as usize);
            self.copies[0] -= ploidy as u32;
            self.n_called -= u64::from(ploidy > 0 && alleles == [MISSING; 2]);
            if self.view == View::Observed && ploidy == 2 {
                alleles.sort_unstable();
            }
            for (copy, allele) in alleles[..ploidy].iter().enumerate() {
                self.row[at + 1 + 2 * copy] = if *allele == MISSING { b'.' } else { b'0' + allele };
            }
            if ploidy > 0 && alleles != [MISSING; 2] {
                self.n_not_reference += 1;
                alleles[..ploidy].iter().for_each(|allele| self.copies[usize::from(*allele)] += 1);
            }
        }
    }

    /// Sample columns with reads: the genotype is the one with the lowest PL.
    fn rows_with_reads(&mut self, site: &Site, model: &ReadModel) {
        let n_alleles = site.alleles.len();
        self.row.clear();
        self.row.extend_from_slice(b"\tGT:AD:DP:GQ:PL");
        for (sample, alleles) in self.haplotypes.iter().enumerate() {
            let place = self.cohort.place(self.contig_id, sample);
            if *alleles == [MISSING; 2] || place.ploidy == 0 {
                self.row.extend_from_slice(if place.ploidy == 2 { b"\t./." } else { b"\t." });
                continue;
            }
            let alleles = if place.ploidy == 2 { *alleles } else { [alleles[0]; 2] };
            let reads = model.reads(place, site, alleles);
            let ad = &reads.ad[..n_alleles];
            let call = Call::new(ad, place.ploidy, &self.costs);
            let called = reads.dp >= MIN_CALLED_DP && call.gq > 0;
            self.depth += u64::from(reads.dp);
            self.row.push(b'\t');
            if called {
                call.push_gt(&mut self.row);
                let gt = &call.gt[..usize::from(place.ploidy)];
                gt.iter().for_each(|allele| self.copies[usize::from(*allele)] += 1);
                self.n_called += 1;
                self.n_not_reference += u64::from(call.gt != [0; 2]);
            } else {
                self.row.extend_from_slice(if place.ploidy == 2 { b"./." } else { b"." });
            }
            self.row.push(b':');
            push_list(&mut self.row, ad);
            self.row.push(b':');
            push_number(&mut self.row, reads.dp);
            if called {
                self.row.push(b':');
                push_number(&mut self.row, call.gq);
                self.row.push(b':');
                push_list(&mut self.row, call.pl());
            } else {
                self.row.extend_from_slice(b":.:.");
            }
        }
    }

    /// CHROM to INFO. ID, QUAL and FILTER have no meaning beyond their look: common sites have an ID, rare ones a low QUAL.
    fn fixed_columns(&self, site: &Site, text: &mut Vec<u8>) {
        let an: u32 = self.copies.iter().sum();
        let ac = &self.copies[1..];
        text.extend_from_slice(self.cohort.contigs[self.contig_id].as_bytes());
        text.push(b'\t');
        let (start, alleles) = match (&site.shifted, self.view) {
            (Some(shifted), View::Observed) => (shifted.start, &shifted.alleles),
            _ => (site.start, &site.alleles),
        };
        push_number(text, start as u32 + 1);
        text.push(b'\t');
        if site.carriers.len() * 100 > 2 * self.haplotypes.len() {
            text.extend_from_slice(b"rs");
            push_number(text, 1_000_000 + (self.contig_id as u32 % 40) * 100_000_000 + site.start as u32 % 100_000_000);
        } else {
            text.push(b'.');
        }
        text.push(b'\t');
        text.extend_from_slice(&alleles[0]);
        for (rank, allele) in alleles[1..].iter().enumerate() {
            text.push(if rank == 0 { b'\t' } else { b',' });
            text.extend_from_slice(allele);
        }
        text.push(b'\t');
        let noise = hash(self.cohort.seed, Purpose::Site, self.contig_id as u64, !site.start) % 200;
        let qual = (200 + 250 * u64::from(ac.iter().sum::<u32>()) + noise).min(99_990) as f64 / 10.0;
        write!(text, "{qual}\t{}\tAC=", if qual < LOW_QUAL { "LowQual" } else { "PASS" }).expect("memory");
        push_list(text, ac);
        text.extend_from_slice(b";AF=");
        for (rank, copies) in ac.iter().enumerate() {
            if rank > 0 {
                text.push(b',');
            }
            if an == 0 {
                text.push(b'.');
            } else {
                push_share(text, f64::from(*copies) / f64::from(an));
            }
        }
        text.extend_from_slice(b";AN=");
        push_number(text, an);
        if self.model.is_some() {
            write!(text, ";DP={}", self.depth).expect("memory");
        }
    }
}

/// All samples reference, as text, and where each begins if not all have two haplotypes. No haplotype: `.`.
fn reference_row(ploidies: Option<&[u8]>, n_samples: usize, view: View) -> (Vec<u8>, Vec<u32>) {
    let two: &[u8] = if view == View::Truth { b"\t0|0" } else { b"\t0/0" };
    let Some(ploidies) = ploidies else { return (two.repeat(n_samples), Vec::new()) };
    let (mut row, mut cells) = (Vec::new(), Vec::with_capacity(n_samples));
    for ploidy in ploidies {
        cells.push(row.len() as u32);
        row.extend_from_slice(match ploidy {
            0 => b"\t.",
            1 => b"\t0",
            _ => two,
        });
    }
    (row, cells)
}

/// Appends a number from 0 to 1 with six significant digits, without zeros at the end: what bcftools writes of it.
fn push_share(text: &mut Vec<u8>, share: f64) {
    let n_zeros = if share > 0.0 { (-share.log10()).floor().max(0.0) as usize } else { 0 };
    let start = text.len();
    write!(text, "{share:.*}", 6 + n_zeros).expect("memory");
    while text.last() == Some(&b'0') && text.len() > start + 1 {
        text.pop();
    }
    if text.last() == Some(&b'.') {
        text.pop();
    }
}

/// Appends the digits of `value`.
pub fn push_number(text: &mut Vec<u8>, mut value: u32) {
    let mut digits = [0; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

/// Appends numbers with commas between them.
pub fn push_list(text: &mut Vec<u8>, values: &[u32]) {
    for (rank, value) in values.iter().enumerate() {
        if rank > 0 {
            text.push(b',');
        }
        push_number(text, *value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::copies::Copies;
    use crate::simulate::reads::ReadSettings;

    fn cohort(format: FormatFields, missing: f64) -> Cohort {
        Cohort {
            seed: 1,
            contigs: vec!["chr1".into()],
            length_bp: 1_000,
            samples: (0..4).map(|sample| format!("S{sample}")).collect(),
            format,
            missing,
            copies: vec![Copies::Autosome],
            female: vec![true, false, true, false],
        }
    }

    fn site() -> Site {
        Site {
            start: 99,
            alleles: vec![b"A".to_vec(), b"G".to_vec(), b"T".to_vec()],
            carriers: vec![(3, 1), (4, 2), (5, 1)],
            shifted: None,
        }
    }

    fn line(cohort: &Cohort, view: View) -> String {
        let model = ReadModel::new(1, ReadSettings::even(4, 30.0));
        let mut text = Vec::new();
        Renderer::new(cohort, Some(&model), 0, view).site(&site(), &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn truth_is_phased_and_the_cohort_is_not() {
        let cohort = cohort(FormatFields::Gt, 0.0);
        let truth = line(&cohort, View::Truth);
        assert!(truth.ends_with("AC=2,1;AF=0.25,0.125;AN=8\tGT\t0|0\t0|1\t2|1\t0|0\n"), "{truth}");
        assert!(truth.starts_with("chr1\t100\trs1000099\tA\tG,T\t"), "{truth}");
        let observed = line(&cohort, View::Observed);
        assert!(observed.ends_with("\tGT\t0/0\t0/1\t1/2\t0/0\n"), "{observed}");
    }

    #[test]
    fn a_cohort_without_genotypes_has_an_of_zero() {
        let observed = line(&cohort(FormatFields::Gt, 1.0), View::Observed);
        assert!(observed.ends_with("AC=0,0;AF=.,.;AN=0\tGT\t./.\t./.\t./.\t./.\n"), "{observed}");
    }

    #[test]
    fn reads_give_every_field_the_right_number_of_values() {
        let observed = line(&cohort(FormatFields::Full, 0.0), View::Observed);
        let columns: Vec<&str> = observed.trim_end().split('\t').collect();
        assert_eq!(columns[8], "GT:AD:DP:GQ:PL");
        for sample in &columns[9..] {
            let fields: Vec<&str> = sample.split(':').collect();
            assert_eq!(fields.len(), 5);
            assert_eq!(fields[1].split(',').count(), 3);
            assert!(fields[4] == "." || fields[4].split(',').count() == 6, "{sample}");
        }
    }

    #[test]
    fn haploid_samples_have_one_allele_and_samples_without_the_contig_none() {
        let mut site = site();
        site.carriers = vec![(2, 2), (6, 1)];
        let line = |copies, format| {
            let cohort = Cohort { copies: vec![copies], ..cohort(format, 0.0) };
            let model = ReadModel::new(1, ReadSettings::even(4, 30.0));
            let mut text = Vec::new();
            Renderer::new(&cohort, Some(&model), 0, View::Truth).site(&site, &mut text);
            let called = Renderer::new(&cohort, Some(&model), 0, View::Observed).site(&site, &mut text);
            (String::from_utf8(text).unwrap(), called)
        };
        let (x, called) = line(Copies::X, FormatFields::Gt);
        assert!(x.contains("AC=1,1;AF=0.166667,0.166667;AN=6\tGT\t0|0\t2\t0|0\t1\n"), "{x}");
        assert!(x.ends_with("\t0/0\t2\t0/0\t1\n"), "{x}");
        assert_eq!((called.n_called, called.n_not_reference), (4, 2));
        let (y, called) = line(Copies::Y, FormatFields::Gt);
        assert!(y.ends_with("AN=2\tGT\t.\t2\t.\t1\n"), "{y}");
        assert_eq!(called.n_called, 2);
        let (y, _) = line(Copies::Y, FormatFields::Full);
        let cells: Vec<&str> = y.lines().last().unwrap().split('\t').skip(9).collect();
        assert!(cells[0] == "." && cells[1].starts_with("2:") && cells[2] == "." && cells[3].starts_with("1:"));
    }

    #[test]
    fn shares_have_six_digits() {
        for (share, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (1.0 / 3.0, "0.333333"),
            (2.0 / 3e3, "0.000666667"),
            (0.0002, "0.0002"),
        ] {
            let mut text = Vec::new();
            push_share(&mut text, share);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    #[test]
    fn numbers_are_written_in_full() {
        for value in [0, 7, 10, 4_294_967_295] {
            let mut text = Vec::new();
            push_number(&mut text, value);
            assert_eq!(String::from_utf8(text).unwrap(), value.to_string());
        }
    }
}
