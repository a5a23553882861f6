//! The header of an export: that of the dataset, with what the records need and where they came from.

use super::record::RECOUNTED;
use crate::dataset::Dataset;
use crate::dataset::stream::{FileStream, Select};
use crate::decode::header::Header;
use crate::error::Result;
use arrow_array::Array;
use std::collections::BTreeSet;

/// How the header differs from that of the dataset.
#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    /// INFO of the records without a definition.
    pub infos: BTreeSet<String>,
    /// FORMAT of the records without a definition.
    pub formats: BTreeSet<String>,
    /// FILTER of the records without a definition.
    pub filters: BTreeSet<String>,
    /// Define AC, AN and AF as they are recounted.
    pub recount: bool,
    /// Value of the line `##varbatch_export`.
    pub provenance: String,
    /// Sample columns.
    pub samples: Vec<String>,
}

const RECOUNT_LINES: [&str; 3] = [
    "##INFO=<ID=AC,Number=A,Type=Integer,Description=\"Copies of each alternate allele in the calls\">",
    "##INFO=<ID=AN,Number=1,Type=Integer,Description=\"Known allele copies in the calls\">",
    "##INFO=<ID=AF,Number=A,Type=Float,Description=\"AC divided by AN\">",
];

impl HeaderChanges {
    /// Finds the IDs that records use without a definition in `header`. One pass over three columns of `variants`.
    pub fn undefined(dataset: &Dataset, header: &Header) -> Result<HeaderChanges> {
        let mut changes = HeaderChanges::default();
        let mut seen_formats = BTreeSet::new();
        let mut last_format = String::new();
        for file in dataset.files("variants") {
            let columns = Select::columns(&["info_other", "filters", "format"]);
            for batch in FileStream::open(&dataset.full_path(file)?, &columns)? {
                let batch = batch?;
                let (others, formats) = (batch.texts("info_other")?, batch.texts("format")?);
                for row in (0..batch.n_rows()).filter(|&row| !others.is_null(row)) {
                    for entry in others.value(row).split(';').filter(|entry| !entry.is_empty()) {
                        let id = entry.split('=').next().unwrap_or(entry);
                        changes.infos.insert(id.to_owned());
                    }
                }
                for row in (0..batch.n_rows()).filter(|&row| !formats.is_null(row)) {
                    if formats.value(row) != last_format {
                        formats.value(row).clone_into(&mut last_format);
                        seen_formats.insert(last_format.clone());
                    }
                }
                changes.take_filters(&batch, header);
            }
        }
        changes.infos.retain(|id| header.infos.iter().all(|def| def.id != *id));
        for id in seen_formats.iter().flat_map(|format| format.split(':')).filter(|id| *id != ".") {
            if header.formats.iter().all(|def| def.id != id) {
                changes.formats.insert(id.to_owned());
            }
        }
        Ok(changes)
    }

    fn take_filters(&mut self, batch: &crate::dataset::batch::Batch, header: &Header) {
        let Some(column) = batch.column("filters") else { return };
        for row in 0..batch.n_rows() {
            for filter in column.items(row).into_iter().flatten().flatten() {
                if let crate::dataset::batch::Value::Text(id) = filter
                    && !header.filters.iter().any(|known| known == id)
                    && !self.filters.contains(id)
                    && id != "PASS"
                {
                    self.filters.insert(id.to_owned());
                }
            }
        }
    }

    /// The header of the export as text.
    pub fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 1024);
        for line in text.lines().take_while(|line| line.starts_with("##")) {
            let replaced = self.recount && RECOUNTED.iter().any(|id| defines_info(line, id));
            if !replaced {
                out.push_str(line);
                out.push('\n');
            }
        }
        if self.recount {
            RECOUNT_LINES.iter().for_each(|line| push_line(&mut out, line));
        }
        for (key, ids) in [("INFO", &self.infos), ("FORMAT", &self.formats)] {
            for id in ids.iter().filter(|id| !(self.recount && key == "INFO" && RECOUNTED.contains(&id.as_str()))) {
                push_line(&mut out, &undefined_line(key, id));
            }
        }
        for id in &self.filters {
            push_line(&mut out, &format!("##FILTER=<ID={id},Description=\"{NOT_DEFINED}\">"));
        }
        push_line(&mut out, &format!("##varbatch_export={}", self.provenance));
        out.push_str("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO");
        if !self.samples.is_empty() {
            out.push_str("\tFORMAT");
        }
        for sample in &self.samples {
            out.push('\t');
            out.push_str(sample);
        }
        out.push('\n');
        out
    }
}

const NOT_DEFINED: &str = "Not defined in the input header";

fn undefined_line(key: &str, id: &str) -> String {
    // GT is defined by the specification (VCF 4.5 section 1.6.2)
    if key == "FORMAT" && id == "GT" {
        return "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">".to_owned();
    }
    format!("##{key}=<ID={id},Number=.,Type=String,Description=\"{NOT_DEFINED}\">")
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn defines_info(line: &str, id: &str) -> bool {
    let rest = line.strip_prefix("##INFO=<ID=").and_then(|rest| rest.strip_prefix(id));
    rest.is_some_and(|rest| rest.starts_with([',', '>']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_and_samples_replaced() {
        let text = "##fileformat=VCFv4.2\n##INFO=<ID=AC,Number=1,Type=String,Description=\"\">\n\
                    ##INFO=<ID=ACX,Number=1,Type=String,Description=\"\">\n\
                    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n";
        let changes = HeaderChanges {
            infos: BTreeSet::from(["ZZ".to_owned(), "AF".to_owned()]),
            filters: BTreeSet::from(["q9".to_owned()]),
            recount: true,
            provenance: "x".to_owned(),
            samples: vec!["b".to_owned()],
            ..HeaderChanges::default()
        };
        let out = changes.apply(text);
        assert!(!out.contains("ID=AC,Number=1") && out.contains("ID=AC,Number=A") && out.contains("ID=ACX"), "{out}");
        assert_eq!(out.matches("##INFO=<ID=AF,").count(), 1);
        assert!(out.contains("##INFO=<ID=ZZ,Number=.,Type=String") && out.contains("##FILTER=<ID=q9,"));
        assert!(out.ends_with("##varbatch_export=x\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tb\n"));
    }
}
