//! The table `samples`, and the per-shard counters that it is added up from.

use crate::call::sample_counts::{Counter, SampleCounts};
use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use std::sync::Arc;

/// Who a sample is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SampleInfo {
    /// Name.
    pub sample: String,
    /// Input it came from, as named by the user.
    pub source: String,
    /// `male` or `female`, where the sample sheet says so.
    pub sex: Option<String>,
    /// Who wrote its gVCF: a name of [`DIALECTS`](crate::decode::gvcf::dialect::DIALECTS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
}

/// Rows of the published table, of samples from `first` on. `with_dialect`: the cohort was called from gVCFs.
pub fn samples_table(samples: &[SampleInfo], first: usize, counts: &SampleCounts, with_dialect: bool) -> RecordBatch {
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    let mut fields = vec![
        field("sample_index", DataType::Int32, false),
        field("sample", DataType::Utf8, false),
        field("source", DataType::Utf8, false),
        field("sex", DataType::Utf8, true),
    ];
    let indexes = first as i32..(first + samples.len()) as i32;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(indexes)),
        Arc::new(StringArray::from_iter_values(samples.iter().map(|sample| &sample.sample))),
        Arc::new(StringArray::from_iter_values(samples.iter().map(|sample| &sample.source))),
        Arc::new(StringArray::from_iter(samples.iter().map(|sample| sample.sex.as_ref()))),
    ];
    if with_dialect {
        fields.push(field("dialect", DataType::Utf8, true));
        columns.push(Arc::new(StringArray::from_iter(samples.iter().map(|sample| sample.dialect.as_ref()))));
    }
    for (name, values) in SampleCounts::NAMES.iter().zip(&counts.counters).take(Counter::DpSum as usize) {
        fields.push(field(name, DataType::Int64, false));
        columns.push(Arc::new(Int64Array::from(values.clone())));
    }
    let called = counts.get(Counter::NCalled);
    let sites: Vec<i64> = called.iter().zip(counts.get(Counter::NMissing)).map(|(a, b)| a + b).collect();
    for (name, numerators, denominators) in [
        ("call_rate", called, &sites[..]),
        ("mean_dp", counts.get(Counter::DpSum), counts.get(Counter::DpN)),
        ("mean_gq", counts.get(Counter::GqSum), counts.get(Counter::GqN)),
    ] {
        fields.push(field(name, DataType::Float64, true));
        let ratio = |(&a, &b): (&i64, &i64)| (b > 0).then(|| a as f64 / b as f64);
        columns.push(Arc::new(Float64Array::from_iter(numerators.iter().zip(denominators).map(ratio))));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns are built in schema order")
}

/// Counters of one shard as a batch, one column per counter.
pub fn counts_batch(counts: &SampleCounts) -> RecordBatch {
    let fields: Vec<Field> = SampleCounts::NAMES.iter().map(|name| Field::new(*name, DataType::Int64, false)).collect();
    let columns = counts.counters.iter().map(|values| Arc::new(Int64Array::from(values.clone())) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns are built in schema order")
}

/// Adds a batch of [`counts_batch`] to `total`; false when it has another shape.
pub fn add_counts_batch(batch: &RecordBatch, total: &mut SampleCounts) -> bool {
    let n_samples = total.n_samples();
    for (name, own) in SampleCounts::NAMES.iter().zip(&mut total.counters) {
        let Some(column) = batch.column_by_name(name) else { return false };
        let Some(values) = column.as_any().downcast_ref::<Int64Array>() else { return false };
        if values.len() != n_samples {
            return false;
        }
        own.iter_mut().zip(values.values()).for_each(|(own, value)| *own += value);
    }
    true
}
