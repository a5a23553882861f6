//! Builder of the table `variants`.

use super::field::{AlleleOfSite, FieldBuilder, Problem};
use super::schema::TableSchemas;
use crate::alleles::AlleleType;
use crate::call::statistics::RowStatistics;
use crate::decode::vcf::info_entries;
use arrow_array::builder::{
    Float64Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, StringDictionaryBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use std::collections::HashMap;
use std::sync::Arc;

/// One row, borrowed from a record and its normalised allele.
pub struct VariantRow<'a> {
    /// See docs/formats.md.
    pub variant_id: i64,
    /// Contig name.
    pub contig: &'a str,
    /// 1-based.
    pub vcf_pos: i32,
    /// Last reference base, 1-based.
    pub end: i32,
    /// After normalisation.
    pub ref_allele: &'a [u8],
    /// After normalisation; `.` without ALT.
    pub alt_allele: &'a [u8],
    /// ID as written.
    pub id: &'a [u8],
    /// QUAL, parsed.
    pub qual: Option<f64>,
    /// FILTER as written.
    pub filter: &'a [u8],
    /// Kind of the allele.
    pub allele_type: AlleleType,
    /// Identifier of the site.
    pub site_id: i64,
    /// REF as written, where it differs.
    pub site_ref: Option<&'a [u8]>,
    /// ALT as written, where it differs.
    pub site_alt: Option<&'a [u8]>,
    /// Counts and tests.
    pub statistics: RowStatistics,
    /// FORMAT as written.
    pub format: Option<&'a [u8]>,
    /// INFO as written by each record that has the row, with the row's allele in it; of a key the first one counts.
    pub infos: &'a [(&'a [u8], AlleleOfSite)],
    /// INFO values that are used instead of those in `infos`.
    pub overrides: &'a [(&'a str, String)],
    /// Number of ALT of the site.
    pub n_alts: u32,
    /// Index of the row among the ALT of the site.
    pub alt_index: u32,
}

/// A problem of an INFO field.
#[derive(Debug)]
pub struct InfoProblem {
    /// Its ID.
    pub id: String,
    /// What is wrong.
    pub problem: Problem,
}

/// Builds batches of `variants`.
pub struct VariantsBuilder {
    schema: SchemaRef,
    variant_id: Int64Builder,
    contig: StringDictionaryBuilder<Int32Type>,
    pos: Int32Builder,
    end: Int32Builder,
    ref_allele: StringBuilder,
    alt_allele: StringBuilder,
    id: StringBuilder,
    qual: Float64Builder,
    filters: ListBuilder<StringBuilder>,
    allele_type: StringDictionaryBuilder<Int32Type>,
    site_id: Int64Builder,
    alt_index: Int32Builder,
    n_alts: Int32Builder,
    site_ref: StringBuilder,
    site_alt: StringBuilder,
    ac: Int32Builder,
    an: Int32Builder,
    af: Float64Builder,
    counts: [Int32Builder; 7],
    hwe_p: Float64Builder,
    exc_het: Float64Builder,
    format: StringDictionaryBuilder<Int32Type>,
    infos: Vec<FieldBuilder>,
    info_index: HashMap<Vec<u8>, usize>,
    /// Row in which each INFO column was last filled, as `row + 1`.
    filled: Vec<usize>,
    /// Which of the row's records filled it; `usize::MAX` for an override.
    filled_by: Vec<usize>,
    info_other: StringBuilder,
    undefined: Vec<u8>,
    n_rows: usize,
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl VariantsBuilder {
    /// Empty, for these schemas.
    pub fn new(schemas: &TableSchemas) -> Self {
        let info_index = schemas.infos.iter().enumerate().map(|(i, info)| (info.id.clone().into_bytes(), i)).collect();
        VariantsBuilder {
            schema: schemas.variants.clone(),
            variant_id: Int64Builder::new(),
            contig: StringDictionaryBuilder::new(),
            pos: Int32Builder::new(),
            end: Int32Builder::new(),
            ref_allele: StringBuilder::new(),
            alt_allele: StringBuilder::new(),
            id: StringBuilder::new(),
            qual: Float64Builder::new(),
            filters: ListBuilder::new(StringBuilder::new()),
            allele_type: StringDictionaryBuilder::new(),
            site_id: Int64Builder::new(),
            alt_index: Int32Builder::new(),
            n_alts: Int32Builder::new(),
            site_ref: StringBuilder::new(),
            site_alt: StringBuilder::new(),
            ac: Int32Builder::new(),
            an: Int32Builder::new(),
            af: Float64Builder::new(),
            counts: std::array::from_fn(|_| Int32Builder::new()),
            hwe_p: Float64Builder::new(),
            exc_het: Float64Builder::new(),
            format: StringDictionaryBuilder::new(),
            infos: schemas.infos.iter().map(FieldBuilder::new).collect(),
            info_index,
            filled: vec![0; schemas.infos.len()],
            filled_by: vec![0; schemas.infos.len()],
            info_other: StringBuilder::new(),
            undefined: Vec::new(),
            n_rows: 0,
        }
    }

    /// Rows since the last batch.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// INFO entries of the last row that the header does not define, as written.
    pub fn undefined(&self) -> &[u8] {
        &self.undefined
    }

    /// Adds a row. After a problem the batch is void.
    pub fn push(&mut self, row: &VariantRow) -> Result<(), InfoProblem> {
        self.push_info(row.infos, row.overrides)?;
        self.variant_id.append_value(row.variant_id);
        self.contig.append_value(row.contig);
        self.pos.append_value(row.vcf_pos);
        self.end.append_value(row.end);
        self.ref_allele.append_value(text(row.ref_allele));
        self.alt_allele.append_value(text(row.alt_allele));
        append_unless_dot(&mut self.id, row.id);
        self.qual.append_option(row.qual);
        self.push_filters(row.filter);
        self.allele_type.append_value(row.allele_type.name());
        self.site_id.append_value(row.site_id);
        self.alt_index.append_value(row.alt_index as i32);
        self.n_alts.append_value(row.n_alts as i32);
        self.site_ref.append_option(row.site_ref.map(text));
        self.site_alt.append_option(row.site_alt.map(text));
        self.push_statistics(&row.statistics);
        match row.format {
            Some(format) => self.format.append_value(text(format)),
            None => self.format.append_null(),
        }
        self.n_rows += 1;
        Ok(())
    }

    fn push_filters(&mut self, filter: &[u8]) {
        match filter {
            b"." => self.filters.append_null(),
            b"PASS" => self.filters.append(true),
            _ => {
                for name in filter.split(|&byte| byte == b';').filter(|name| !name.is_empty()) {
                    self.filters.values().append_value(text(name));
                }
                self.filters.append(true);
            }
        }
    }

    fn push_statistics(&mut self, statistics: &RowStatistics) {
        self.ac.append_value(statistics.ac);
        self.an.append_value(statistics.an);
        self.af.append_option((statistics.an > 0).then(|| f64::from(statistics.ac) / f64::from(statistics.an)));
        for (builder, &count) in self.counts.iter_mut().zip(&statistics.counts) {
            builder.append_value(count);
        }
        let hwe = statistics.hwe();
        self.hwe_p.append_option(hwe.map(|hwe| hwe.p));
        self.exc_het.append_option(hwe.map(|hwe| hwe.exc_het));
    }

    fn push_info(&mut self, infos: &[(&[u8], AlleleOfSite)], overrides: &[(&str, String)]) -> Result<(), InfoProblem> {
        let stamp = self.n_rows + 1;
        self.undefined.clear();
        for (key, value) in overrides {
            if let Some(&column) = self.info_index.get(key.as_bytes()) {
                self.fill(column, key.as_bytes(), value.as_bytes(), AlleleOfSite::new(1, 1))?;
            }
        }
        for (source, (info, allele)) in infos.iter().enumerate() {
            for (key, value) in info_entries(info) {
                match self.info_index.get(key) {
                    Some(&column) if self.filled[column] != stamp => {
                        self.fill(column, key, value.unwrap_or(b"."), *allele)?;
                        self.filled_by[column] = source;
                    }
                    // another record's value of the same key, or one that is computed anew
                    Some(&column) if self.filled_by[column] != source => {}
                    // not defined, or a key that stands twice in one record: kept as written
                    _ => self.note_undefined(key, value, source),
                }
            }
        }
        for (column, builder) in self.infos.iter_mut().enumerate() {
            if self.filled[column] != stamp {
                builder.append_null();
            }
        }
        self.info_other.append_option((!self.undefined.is_empty()).then(|| text(&self.undefined)));
        Ok(())
    }

    fn fill(&mut self, column: usize, key: &[u8], value: &[u8], allele: AlleleOfSite) -> Result<(), InfoProblem> {
        self.infos[column]
            .append(value, allele)
            .map_err(|problem| InfoProblem { id: text(key).into_owned(), problem })?;
        self.filled[column] = self.n_rows + 1;
        self.filled_by[column] = usize::MAX;
        Ok(())
    }

    fn note_undefined(&mut self, key: &[u8], value: Option<&[u8]>, source: usize) {
        let known = |entry: &[u8]| entry.starts_with(key) && matches!(entry.get(key.len()), None | Some(b'='));
        if source > 0 && self.undefined.split(|&byte| byte == b';').any(known) {
            return;
        }
        if !self.undefined.is_empty() {
            self.undefined.push(b';');
        }
        self.undefined.extend_from_slice(key);
        if let Some(value) = value {
            self.undefined.push(b'=');
            self.undefined.extend_from_slice(value);
        }
    }

    /// The rows since the last batch.
    pub fn finish(&mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.variant_id.finish()),
            Arc::new(self.contig.finish()),
            Arc::new(self.pos.finish()),
            Arc::new(self.end.finish()),
            Arc::new(self.ref_allele.finish()),
            Arc::new(self.alt_allele.finish()),
            Arc::new(self.id.finish()),
            Arc::new(self.qual.finish()),
            Arc::new(self.filters.finish()),
            Arc::new(self.allele_type.finish()),
            Arc::new(self.site_id.finish()),
            Arc::new(self.alt_index.finish()),
            Arc::new(self.n_alts.finish()),
            Arc::new(self.site_ref.finish()),
            Arc::new(self.site_alt.finish()),
            Arc::new(self.ac.finish()),
            Arc::new(self.an.finish()),
            Arc::new(self.af.finish()),
        ];
        columns.extend(self.counts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.push(Arc::new(self.hwe_p.finish()));
        columns.push(Arc::new(self.exc_het.finish()));
        columns.push(Arc::new(self.format.finish()));
        for builder in &mut self.infos {
            builder.finish(&mut columns);
        }
        columns.push(Arc::new(self.info_other.finish()));
        self.n_rows = 0;
        self.filled.fill(0);
        RecordBatch::try_new(self.schema.clone(), columns).expect("columns are built in schema order")
    }
}

fn append_unless_dot(builder: &mut StringBuilder, value: &[u8]) {
    builder.append_option((value != b".").then(|| text(value)));
}
