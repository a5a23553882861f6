//! Arrow as Parquet gives it, as columns of polars. The types are those that the tables of datasets and results have.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, GenericStringArray, OffsetSizeTrait};
use arrow_schema::DataType as ArrowType;
use polars::prelude::*;

/// The type that polars has for `arrow`; `None` where tables have no such columns.
pub fn data_type(arrow: &ArrowType) -> Option<DataType> {
    Some(match arrow {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8 => DataType::Int8,
        ArrowType::Int16 => DataType::Int16,
        ArrowType::Int32 => DataType::Int32,
        ArrowType::Int64 => DataType::Int64,
        ArrowType::UInt8 => DataType::UInt8,
        ArrowType::UInt16 => DataType::UInt16,
        ArrowType::UInt32 => DataType::UInt32,
        ArrowType::UInt64 => DataType::UInt64,
        ArrowType::Float32 => DataType::Float32,
        ArrowType::Float64 => DataType::Float64,
        ArrowType::Utf8 | ArrowType::LargeUtf8 => DataType::String,
        ArrowType::Dictionary(_, values) => data_type(values)?,
        ArrowType::List(item) | ArrowType::LargeList(item) => DataType::List(Box::new(data_type(item.data_type())?)),
        ArrowType::Null => DataType::Null,
        _ => return None,
    })
}

/// A column; `None` where [`data_type`] has none for it.
pub fn series(name: &str, array: &ArrayRef) -> Option<Series> {
    let name = PlSmallStr::from_str(name);
    Some(match array.data_type() {
        ArrowType::Boolean => BooleanChunked::from_iter_options(name, array.as_boolean().iter()).into_series(),
        ArrowType::Int8 => numbers::<Int8Type, polars::prelude::Int8Type>(name, array),
        ArrowType::Int16 => numbers::<Int16Type, polars::prelude::Int16Type>(name, array),
        ArrowType::Int32 => numbers::<Int32Type, polars::prelude::Int32Type>(name, array),
        ArrowType::Int64 => numbers::<Int64Type, polars::prelude::Int64Type>(name, array),
        ArrowType::UInt8 => numbers::<UInt8Type, polars::prelude::UInt8Type>(name, array),
        ArrowType::UInt16 => numbers::<UInt16Type, polars::prelude::UInt16Type>(name, array),
        ArrowType::UInt32 => numbers::<UInt32Type, polars::prelude::UInt32Type>(name, array),
        ArrowType::UInt64 => numbers::<UInt64Type, polars::prelude::UInt64Type>(name, array),
        ArrowType::Float32 => numbers::<Float32Type, polars::prelude::Float32Type>(name, array),
        ArrowType::Float64 => numbers::<Float64Type, polars::prelude::Float64Type>(name, array),
        ArrowType::Utf8 => texts(name, array.as_string::<i32>()),
        ArrowType::LargeUtf8 => texts(name, array.as_string::<i64>()),
        ArrowType::Dictionary(..) => {
            let coded = array.as_dictionary_opt::<Int32Type>()?;
            let values = coded.values().as_string_opt::<i32>()?;
            let of_key = |key: i32| values.is_valid(key as usize).then(|| values.value(key as usize));
            let all = coded.keys().iter().map(|key| key.and_then(of_key));
            StringChunked::from_iter_options(name, all).into_series()
        }
        ArrowType::List(_) => {
            let list = array.as_list::<i32>();
            lists(name, list.values(), list, list.value_offsets().iter().map(|&at| at as usize).collect())?
        }
        ArrowType::LargeList(_) => {
            let list = array.as_list::<i64>();
            lists(name, list.values(), list, list.value_offsets().iter().map(|&at| at as usize).collect())?
        }
        ArrowType::Null => Series::new_null(name, array.len()),
        _ => return None,
    })
}

fn numbers<A, P>(name: PlSmallStr, array: &ArrayRef) -> Series
where
    A: ArrowPrimitiveType,
    P: PolarsNumericType<Native = A::Native>,
    ChunkedArray<P>: IntoSeries,
{
    let array = array.as_primitive::<A>();
    match array.null_count() {
        0 => ChunkedArray::<P>::from_slice(name, array.values()).into_series(),
        _ => ChunkedArray::<P>::from_iter_options(name, array.iter()).into_series(),
    }
}

fn texts<O: OffsetSizeTrait>(name: PlSmallStr, array: &GenericStringArray<O>) -> Series {
    StringChunked::from_iter_options(name, array.iter()).into_series()
}

/// Lists of one kind of values. `starts`: where each list begins, and the end of the last.
fn lists(name: PlSmallStr, values: &ArrayRef, list: &dyn Array, starts: Vec<usize>) -> Option<Series> {
    let items = series("", values)?;
    let n_rows = list.len();
    let mut builder = polars::chunked_array::builder::get_list_builder(items.dtype(), items.len(), n_rows, name);
    for row in 0..n_rows {
        match list.is_null(row) {
            true => builder.append_null(),
            false => {
                let part = items.slice(starts[row] as i64, starts[row + 1] - starts[row]);
                builder.append_series(&part).ok()?;
            }
        }
    }
    Some(builder.finish().into_series())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{DictionaryArray, Float64Array, Int32Array, ListArray, StringArray};
    use std::sync::Arc;

    fn shown(array: ArrayRef) -> Vec<String> {
        let column = series("x", &array).expect("a known type");
        assert_eq!(Some(column.dtype().clone()), data_type(array.data_type()));
        column.iter().map(|value| value.to_string()).collect()
    }

    #[test]
    fn values_and_nulls_stay() {
        assert_eq!(shown(Arc::new(Int32Array::from(vec![Some(1), None]))), ["1", "null"]);
        assert_eq!(shown(Arc::new(Float64Array::from(vec![0.5, 2.0]))), ["0.5", "2.0"]);
        assert_eq!(shown(Arc::new(StringArray::from(vec![Some("a"), None]))), ["\"a\"", "null"]);
        let coded: DictionaryArray<Int32Type> = vec![Some("0/1"), None, Some("0/1")].into_iter().collect();
        assert_eq!(shown(Arc::new(coded)), ["\"0/1\"", "null", "\"0/1\""]);
        let list =
            ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
        let column = series("x", &(Arc::new(list) as ArrayRef)).expect("a known type");
        let lists = column.list().expect("lists");
        let lengths: Vec<Option<usize>> = (0..3).map(|at| lists.get_as_series(at).map(|items| items.len())).collect();
        assert_eq!(lengths, [Some(2), None, Some(0)]);
    }
}
