//! Why a sample's call at a position is what it is: its records and blocks there as they were read, the rule that chose
//! among them, and what came out.

use crate::alleles::MAX_SHIFT_BP;
use crate::call::joint::evaluate::{block_likelihoods, evaluate};
use crate::call::joint::likelihood::Likelihoods;
use crate::call::joint::reason::Rule;
use crate::call::joint::record::{Copies, RecordAllele, SampleRecord};
use crate::call::joint::site::SiteAlleles;
use crate::call::joint::sweep::{SiteSample, Sweep};
use crate::dataset::Dataset;
use crate::dataset::joint::JointDataset;
use crate::error::{Error, Result};
use crate::joint::EvidenceRange;
use std::fmt::Write;

/// Longest text of a field before it is cut in the middle.
const LONGEST_FIELD: usize = 160;

/// Explains the call of a sample at a 1-based position, as text for people.
pub fn explain(dataset: &Dataset, contig: &str, vcf_pos: i32, sample: &str) -> Result<String> {
    let names = dataset.sample_names()?;
    let index = names.iter().position(|name| name == sample).ok_or_else(|| {
        Error::usage(format!("the dataset has no sample `{sample}`"))
            .hint("`varbatch query DATASET \"SELECT sample FROM samples\"` lists them")
    })?;
    let joint = JointDataset::open(dataset)?.ok_or_else(|| {
        Error::usage("the dataset was not called from gVCFs: its calls are those of the input")
            .hint("`varbatch query` shows them; there is no rule to explain")
    })?;
    let contig_index = joint
        .contigs
        .index_of(contig.as_bytes())
        .ok_or_else(|| Error::usage(format!("the dataset has no contig `{contig}`")))?;
    let mut range = joint.range(contig_index, vcf_pos, vcf_pos.saturating_add(1))?;
    range.read_blocks(&[vcf_pos])?;
    let place = Place { names: &names, contig, vcf_pos, sample: index as u32 };
    let mut text = String::new();
    let _ = writeln!(text, "{contig}:{vcf_pos} {sample}");
    place.write_evidence(&range, &mut text);
    match range.sites(|position| position == vcf_pos).into_iter().next() {
        Some(site) => place.write_call(&joint, &range, &site, &mut text),
        None => place.write_no_site(&range, &mut text),
    }
    Ok(text)
}

struct Place<'a> {
    names: &'a [String],
    contig: &'a str,
    vcf_pos: i32,
    sample: u32,
}

impl Place<'_> {
    /// The sample's records and blocks over the position, as read.
    fn write_evidence(&self, range: &EvidenceRange, text: &mut String) {
        let records: Vec<&SampleRecord> = range
            .records
            .iter()
            .filter(|record| record.sample == self.sample)
            .filter(|record| (record.reach.0..=record.reach.1).contains(&self.vcf_pos))
            .collect();
        let _ = writeln!(text, "\nrecords of the sample that reach over the position: {}", records.len());
        for record in records {
            let raw = range.texts.text(record.text as usize);
            let fields = [raw.id, raw.ref_allele, raw.alt, raw.qual, raw.filter, raw.info, raw.format, raw.cell];
            let _ = write!(text, "  {}\t{}", self.contig, record.vcf_pos);
            for field in fields {
                let _ = write!(text, "\t{}", shortened(&String::from_utf8_lossy(field)));
            }
            text.push('\n');
            if !raw.aligned.is_empty() {
                let aligned = String::from_utf8_lossy(raw.aligned);
                let _ = writeln!(text, "    left-aligned with the reference: {aligned} (one entry per ALT)");
            }
        }
        let blocks = &range.blocks;
        let own = (0..blocks.sample.len()).filter(|&i| {
            blocks.sample[i] == self.sample
                && (blocks.start[i]..blocks.start[i] + blocks.length[i]).contains(&self.vcf_pos)
        });
        let own: Vec<usize> = own.collect();
        let _ = writeln!(text, "reference blocks of the sample over the position: {}", own.len());
        for i in own {
            let known = |value: i32| if value < 0 { ".".to_string() } else { value.to_string() };
            let pl = blocks.pl[i].map(known).join(",");
            let _ = writeln!(
                text,
                "  {}:{}-{} GT {} GQ {} MIN_DP {} DP {} PL {pl}",
                self.contig,
                blocks.start[i],
                blocks.start[i] + blocks.length[i] - 1,
                blocks.gts[usize::from(blocks.gt[i])],
                known(blocks.gq[i]),
                known(blocks.min_dp[i]),
                known(blocks.dp[i]),
            );
        }
    }

    fn write_call(&self, joint: &JointDataset, range: &EvidenceRange, site: &SiteAlleles, text: &mut String) {
        let settings = &joint.cohort.settings;
        let mut sweep = Sweep::new(&range.sweep_input(), &[site.vcf_pos]);
        let calls = sweep.calls(site);
        let evaluated = evaluate(site, &range.table, &calls, &sweep.classes_of_others(&calls), settings);
        let _ = writeln!(text, "\nalleles of the site (QUAL {:.2}, least {}):", evaluated.site_qual, settings.min_qual);
        let reference = String::from_utf8_lossy(&site.ref_allele).into_owned();
        let _ = writeln!(text, "  0 {} (reference)", shortened(&reference));
        for (place, &alt) in site.alts.iter().enumerate() {
            let allele = range.table.get(alt);
            let quality = &evaluated.alleles[place + 1];
            let _ = writeln!(
                text,
                "  {} {}>{}  QUAL {:.2}  AQ {}  copies {}  first in {}",
                place + 1,
                shortened(&String::from_utf8_lossy(&allele.ref_allele)),
                shortened(&String::from_utf8_lossy(&allele.alt_allele)),
                quality.qual,
                quality.aq,
                quality.ac,
                self.first_with(range, alt),
            );
        }
        let _ = writeln!(text, "  {} * (deleted by a record that began before)", site.deleted());
        let samples = sweep.samples(&calls, true);
        self.write_sample(&samples[self.sample as usize], range, &sweep, text);
        if settings.genotypes == crate::call::joint::settings::Genotypes::Likelihoods {
            let _ = writeln!(text, "preset {}: genotypes are taken from PL over the alleles kept", settings.name);
        }
    }

    /// Name of the first sample with a record that names the allele.
    fn first_with(&self, range: &EvidenceRange, alt: u32) -> &str {
        let record = range.records.iter().find(|record| record.alts().any(|known| known == alt));
        record.map_or("?", |record| &self.names[record.sample as usize])
    }

    fn write_sample(&self, sample: &SiteSample, range: &EvidenceRange, sweep: &Sweep, text: &mut String) {
        let census = sweep.census();
        let rule = match sample.call {
            Some(call) => call.rule,
            None if census.class(self.sample).is_some() => Rule::Block,
            None => Rule::NoData,
        };
        let _ = writeln!(text, "\nrule: {}", rule.meaning());
        if let Some(call) = sample.call {
            let record = &range.records[call.record];
            let _ = writeln!(text, "  decided by the record at {}:{}", self.contig, record.vcf_pos);
            for (place, allele) in record.alleles.iter().enumerate() {
                let _ = writeln!(text, "  allele {place} of the record is {}", self.allele_at(*allele, range));
            }
        }
        let _ = writeln!(text, "call: GT {}  GQ {}  DP {}", genotype(&sample.gt), or_dot(sample.gq), or_dot(sample.dp));
        let likelihoods = match sample.call {
            Some(call) => call.likelihoods.clone(),
            None => census.class(self.sample).and_then(block_likelihoods),
        };
        if let Some(likelihoods) = likelihoods {
            let _ = writeln!(text, "likelihoods: {}", describe(&likelihoods));
        }
        if let Some(reason) = sample.reason {
            let _ = writeln!(text, "no call, reason {}: {}", reason.letter(), reason.meaning());
        }
    }

    fn allele_at(&self, allele: RecordAllele, range: &EvidenceRange) -> String {
        match allele {
            RecordAllele::Reference => "the reference".into(),
            RecordAllele::Unseen => "any allele that the record does not name".into(),
            RecordAllele::Deleted => "*: deleted by another record".into(),
            RecordAllele::Alt(number) => {
                let found = range.table.get(number);
                let name = format!(
                    "{}:{}>{}",
                    found.vcf_pos,
                    shortened(&String::from_utf8_lossy(&found.ref_allele)),
                    shortened(&String::from_utf8_lossy(&found.alt_allele))
                );
                if found.vcf_pos == self.vcf_pos {
                    format!("{name}, of this site")
                } else if found.deletes(self.vcf_pos) {
                    format!("{name}, a deletion over this position: *")
                } else {
                    format!("{name}, elsewhere: the reference here")
                }
            }
        }
    }

    /// No allele of any sample starts here: the nearest ones.
    fn write_no_site(&self, range: &EvidenceRange, text: &mut String) {
        let _ = writeln!(text, "\nno sample has an alternate allele that starts at this position after left-alignment");
        let near = range.table.alleles().iter().min_by_key(|allele| (allele.vcf_pos - self.vcf_pos).abs());
        if let Some(near) = near.filter(|near| (near.vcf_pos - self.vcf_pos).abs() <= MAX_SHIFT_BP) {
            let _ = writeln!(
                text,
                "the nearest allele is {}:{}>{}",
                near.vcf_pos,
                shortened(&String::from_utf8_lossy(&near.ref_allele)),
                shortened(&String::from_utf8_lossy(&near.alt_allele))
            );
        }
    }
}

fn genotype(gt: &Copies) -> String {
    let mut text = Vec::new();
    gt.write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn or_dot(value: Option<u32>) -> String {
    value.map_or_else(|| ".".into(), |value| value.to_string())
}

/// `alleles 0,1,other: PL ...`.
fn describe(likelihoods: &Likelihoods) -> String {
    let alleles: Vec<String> = likelihoods.alleles.iter().map(u16::to_string).collect();
    let pl: Vec<String> = likelihoods.pl.iter().map(u32::to_string).collect();
    format!("PL {} over the alleles {} and any other", shortened(&pl.join(",")), alleles.join(","))
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_FIELD || !text.is_ascii() {
        return text.to_owned();
    }
    let half = LONGEST_FIELD / 2;
    format!("{}...({} characters)...{}", &text[..half], text.len(), &text[text.len() - half..])
}
