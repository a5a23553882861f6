//! What inputs need before they can be planned: contigs defined, streams readable from the middle where that is needed,
//! records sorted. Copies are made below a folder of the dataset and removed when it is published.

use super::copy;
use super::file::InputFile;
use super::{Cohort, Layout};
use crate::decode::vcf::locus_of_line;
use crate::error::{Error, Result};
use crate::genome::{Contig, Contigs};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// Defines contigs and, for a merge, makes every input sorted and readable from the middle.
pub fn prepare(cohort: &mut Cohort, copies: &Path) -> Result<()> {
    let merges = cohort.layout() == Layout::Merge;
    if merges {
        for (index, file) in cohort.files.iter_mut().enumerate().filter(|(_, file)| !file.format.has_lines_anywhere()) {
            copy::make_splittable(file, &copies.join(format!("input-{index}.vcf.gz")))?;
        }
    }
    define_contigs(cohort, merges)?;
    match cohort.layout() {
        Layout::Merge => sort_for_merge(cohort, copies),
        Layout::Joint => reorder_contigs(cohort, copies),
        Layout::Concatenation => Ok(()),
    }
}

/// gVCFs are read side by side, contig by contig: those whose header has another order of contigs than the cohort are
/// copied in that order, where their records need it.
fn reorder_contigs(cohort: &mut Cohort, copies: &Path) -> Result<()> {
    let Cohort { files, contigs, header, .. } = cohort;
    let contigs = &*contigs;
    let mut checked: Option<(Arc<Contigs>, bool)> = None;
    let mut other_order = |own: &Arc<Contigs>| match &checked {
        Some((last, other)) if Arc::ptr_eq(last, own) => *other,
        _ => {
            let other = !own.iter().map(|contig| contigs.index_of(contig.name.as_bytes())).is_sorted();
            checked = Some((own.clone(), other));
            other
        }
    };
    let files: Vec<_> = files.iter_mut().enumerate().filter(|(_, file)| other_order(&file.header.contigs)).collect();
    let reordered: Vec<Option<String>> = files
        .into_par_iter()
        .map(|(index, file)| {
            copy::reorder(file, contigs, &copies.join(format!("ordered-{index}.vcf.gz")))?;
            Ok(file.is_copy().then(|| file.name.clone()))
        })
        .collect::<Result<_>>()?;
    for name in reordered.into_iter().flatten() {
        header
            .warnings
            .push(format!("{name} has its contigs in another order; its records were put into that of the cohort"));
    }
    Ok(())
}

/// A merge looks for positions by bisection, so its inputs must be sorted in the order of the cohort's contigs; those
/// that are not are sorted. Costs one pass of inflating over all inputs.
fn sort_for_merge(cohort: &mut Cohort, copies: &Path) -> Result<()> {
    let contigs = &cohort.contigs;
    let sorted: Vec<bool> =
        cohort.files.par_iter().map(|file| copy::is_sorted(file, contigs)).collect::<Result<Vec<bool>>>()?;
    for index in (0..sorted.len()).filter(|&index| !sorted[index]) {
        let place = cohort.files[index].place();
        let error = Error::bad_data("the file is not sorted, and too large to be sorted in memory")
            .hint("sort it first, in the order of the contigs of the headers, e.g. with `bcftools sort`");
        sort_input(cohort, copies, error.at(place))?;
    }
    Ok(())
}

/// Sorts the input that an error says is not sorted, if it is small enough.
pub fn sort_input(cohort: &mut Cohort, copies: &Path, error: Error) -> Result<()> {
    let named = |file: &InputFile| Some(&file.name) == error.location().path.as_ref();
    let Some(index) = cohort.files.iter().position(named) else { return Err(error) };
    // the order has no place for contigs that are not defined
    let file = &cohort.files[index];
    let is_unknown = |name: &String| cohort.contigs.index_of(name.as_bytes()).is_none();
    if !file.format.is_bcf() && contig_names(file)?.iter().any(is_unknown) {
        define_contigs(cohort, true)?;
    }
    let target = copies.join(format!("sorted-{index}.vcf"));
    let ordered = copies.join(format!("ordered-{index}.vcf.gz"));
    let is_ordered =
        cohort.layout() == Layout::Joint && copy::reorder(&mut cohort.files[index], &cohort.contigs, &ordered)?;
    let done = is_ordered && cohort.files[index].is_copy();
    if !done && !copy::sort(&mut cohort.files[index], &cohort.contigs, &target)? {
        return Err(error);
    }
    let name = &cohort.files[index].name;
    cohort.header.warnings.push(format!("{name} is not sorted; its records were sorted"));
    Ok(())
}

/// Adds contigs that the records use but no header defines, in order of appearance. Without `all`, only files whose
/// header defines none are read for it. True when one was added.
pub fn define_contigs(cohort: &mut Cohort, all: bool) -> Result<bool> {
    let before = cohort.contigs.len();
    for index in 0..cohort.files.len() {
        let file = &cohort.files[index];
        if file.format.is_bcf() || !(all || file.header.contigs.is_empty()) {
            continue;
        }
        for name in contig_names(file)? {
            cohort.contigs.add(Contig { name, length: None });
        }
    }
    for contig in cohort.contigs.iter().skip(before) {
        cohort.header.warnings.push(format!("the header does not define the contig {}", contig.name));
    }
    Ok(cohort.contigs.len() > before)
}

/// Contigs of the records of a file in order of appearance: one pass over it.
fn contig_names(file: &InputFile) -> Result<Vec<String>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    copy::each_line(file, |line| {
        if let Ok((chrom, _)) = locus_of_line(line)
            && names.last().is_none_or(|last| last != chrom)
            && !names.iter().any(|known| known == chrom)
        {
            names.push(chrom.to_vec());
        }
        Ok(())
    })?;
    Ok(names.into_iter().map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
}
