//! A record tried out before it is taken.

use super::emit::{push_variant, sample_error};
use super::record::Held;
use super::shard::Context;
use crate::alleles::AlleleType;
use crate::call::statistics::RowStatistics;
use crate::columns::genotypes::GenotypesBuilder;
use crate::columns::variants::{VariantRow, VariantsBuilder};
use crate::error::Result;

/// Builds the rows of a record into throw-away builders, so that a record with a bad value is found before any of it is
/// in a batch. For `--on-bad-record skip` only.
pub struct Rehearsal {
    variants: VariantsBuilder,
    genotypes: Option<GenotypesBuilder>,
}

impl Rehearsal {
    /// With the schemas of the cohort.
    pub fn new(context: &Context) -> Self {
        Rehearsal { variants: VariantsBuilder::new(context.schemas), genotypes: GenotypesBuilder::new(context.schemas) }
    }

    /// The problem that the record would be rejected for. `first_sample`: that of the record's samples in the cohort.
    pub fn check(&mut self, record: &Held, context: &Context, first_sample: u32) -> Result<()> {
        let result = self.build(record, context, first_sample);
        *self = Rehearsal::new(context);
        result
    }

    fn build(&mut self, record: &Held, context: &Context, first_sample: u32) -> Result<()> {
        let view = record.view();
        for alt_index in record.n_alts.min(1)..=record.n_alts {
            let allele = record.allele(alt_index);
            push_variant(
                &mut self.variants,
                &VariantRow {
                    variant_id: 0,
                    contig: "",
                    vcf_pos: 0,
                    end: 0,
                    ref_allele: b"",
                    alt_allele: b"",
                    id: b".",
                    qual: None,
                    filter: b".",
                    allele_type: AlleleType::Other,
                    site_id: 0,
                    n_alts: 0,
                    alt_index: 0,
                    site_ref: None,
                    site_alt: None,
                    statistics: RowStatistics::default(),
                    format: None,
                    infos: &[(view.info(), allele)],
                    overrides: &[],
                },
            )?;
            let (Some(builder), Some(layout)) = (&mut self.genotypes, &record.layout) else { continue };
            if !layout.has_fields() {
                continue;
            }
            for sample in 0..record.samples.n_cells() {
                builder
                    .push_fields(record.samples.fields(view.samples(), sample), layout, allele)
                    .map_err(|error| sample_error(error, context, first_sample + sample as u32))?;
            }
        }
        Ok(())
    }
}
