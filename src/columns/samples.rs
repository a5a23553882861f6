//! The table `samples`, and the per-shard counters that it is added up from.

use crate::call::sample_counts::{Counter, SampleCounts};
use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use std::ops::Range;
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

/// Counters of one shard as a batch of one column: all of the first counter, then all of the next one. A column costs a
/// reader more than its values do.
pub fn counts_batch(counts: &SampleCounts) -> RecordBatch {
    let values: Vec<i64> = counts.counters.concat();
    let schema = Schema::new(vec![Field::new("count", DataType::Int64, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(values))]).expect("one column of its type")
}

/// Rows of [`counts_batch`] that some of its samples have; `None`: it is not of a whole number of samples, or not of these.
pub fn rows_of_counts(n_rows: usize, samples: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let n_counters = SampleCounts::NAMES.len();
    let n_samples = n_rows / n_counters;
    if n_samples * n_counters != n_rows || samples.end > n_samples {
        return None;
    }
    Some((0..n_counters).map(|counter| counter * n_samples).map(|at| at + samples.start..at + samples.end).collect())
}

/// Adds values of these rows to `total`, of which the first `at` were added before; false when they have another shape.
pub fn add_counts_batch(batch: &RecordBatch, total: &mut SampleCounts, at: usize) -> bool {
    let [column] = batch.columns() else { return false };
    let Some(values) = column.as_any().downcast_ref::<Int64Array>() else { return false };
    let own = total.counters.iter_mut().flatten().skip(at);
    own.zip(values.values()).for_each(|(own, value)| *own += value);
    true
}
