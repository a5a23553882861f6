//! One batch of rows with typed columns, so that a value is reached without a downcast per row.

use crate::error::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow_schema::{DataType, Field};
use std::collections::HashMap;
use std::sync::Arc;

/// Items of a list column.
#[derive(Clone, Debug)]
pub enum Items {
    /// int32
    Int(Int32Array),
    /// int64
    Long(Int64Array),
    /// float64
    Float(Float64Array),
    /// text
    Text(StringArray),
}

/// One column.
#[derive(Clone, Debug)]
pub enum Column {
    /// int32
    Int(Int32Array),
    /// int64
    Long(Int64Array),
    /// float64
    Float(Float64Array),
    /// text
    Text(StringArray),
    /// boolean
    Bool(BooleanArray),
    /// list
    List(ListArray, Items),
}

/// A value of a scalar column, or one item of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// int32 or int64
    Int(i64),
    /// float64
    Float(f64),
    /// text
    Text(&'a str),
    /// boolean
    Bool(bool),
}

impl<'a> Value<'a> {
    /// The text, where it is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What a type is called in the documentation of tables.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "text".to_owned(),
        DataType::List(item) => format!("list of {}", type_name(item.data_type())),
        other => format!("{other}").to_lowercase(),
    }
}

/// The type that a column of this type has once it is read; `None`: it cannot be.
pub fn read_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 | DataType::Int32 => DataType::Int32,
        DataType::UInt32 | DataType::Int64 => DataType::Int64,
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Utf8 => DataType::Utf8,
        DataType::Boolean => DataType::Boolean,
        DataType::List(item) => {
            let item = match item.data_type() {
                DataType::Int32 => DataType::Int32,
                DataType::Int64 => DataType::Int64,
                DataType::Float32 | DataType::Float64 => DataType::Float64,
                DataType::Utf8 => DataType::Utf8,
                _ => return None,
            };
            DataType::List(Arc::new(Field::new("item", item, true)))
        }
        _ => return None,
    })
}

impl Column {
    fn from_array(array: &ArrayRef) -> Option<Column> {
        Some(match array.data_type() {
            DataType::Int32 => Column::Int(array.as_primitive::<Int32Type>().clone()),
            // tables of other programs have them
            DataType::Int8 => Column::Int(array.as_primitive::<Int8Type>().unary(i32::from)),
            DataType::Int16 => Column::Int(array.as_primitive::<Int16Type>().unary(i32::from)),
            DataType::UInt8 => Column::Int(array.as_primitive::<UInt8Type>().unary(i32::from)),
            DataType::UInt16 => Column::Int(array.as_primitive::<UInt16Type>().unary(i32::from)),
            DataType::UInt32 => Column::Long(array.as_primitive::<UInt32Type>().unary(i64::from)),
            DataType::Int64 => Column::Long(array.as_primitive::<Int64Type>().clone()),
            DataType::Float64 => Column::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::Float32 => Column::Float(widened(array.as_primitive::<Float32Type>())),
            DataType::Utf8 => Column::Text(array.as_string::<i32>().clone()),
            DataType::Boolean => Column::Bool(array.as_boolean().clone()),
            DataType::List(_) => {
                let list = array.as_list::<i32>().clone();
                let items = match list.values().data_type() {
                    DataType::Int32 => Items::Int(list.values().as_primitive::<Int32Type>().clone()),
                    DataType::Int64 => Items::Long(list.values().as_primitive::<Int64Type>().clone()),
                    DataType::Float64 => Items::Float(list.values().as_primitive::<Float64Type>().clone()),
                    DataType::Float32 => Items::Float(widened(list.values().as_primitive::<Float32Type>())),
                    DataType::Utf8 => Items::Text(list.values().as_string::<i32>().clone()),
                    _ => return None,
                };
                Column::List(list, items)
            }
            _ => return None,
        })
    }

    /// Whether the value of `row` is null.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Int(values) => values.is_null(row),
            Column::Long(values) => values.is_null(row),
            Column::Float(values) => values.is_null(row),
            Column::Text(values) => values.is_null(row),
            Column::Bool(values) => values.is_null(row),
            Column::List(values, _) => values.is_null(row),
        }
    }

    /// The scalar of `row`; `None` when null or a list.
    pub fn value(&self, row: usize) -> Option<Value<'_>> {
        if self.is_null(row) {
            return None;
        }
        Some(match self {
            Column::Int(values) => Value::Int(values.value(row).into()),
            Column::Long(values) => Value::Int(values.value(row)),
            Column::Float(values) => Value::Float(values.value(row)),
            Column::Text(values) => Value::Text(values.value(row)),
            Column::Bool(values) => Value::Bool(values.value(row)),
            Column::List(..) => return None,
        })
    }

    /// The items of the list of `row`; `None` when null. A scalar column gives its value as a list of one.
    pub fn items(&self, row: usize) -> Option<ItemIter<'_>> {
        match self {
            _ if self.is_null(row) => None,
            Column::List(list, _) => {
                let offsets = list.value_offsets();
                Some(ItemIter { column: self, next: offsets[row] as usize, end: offsets[row + 1] as usize })
            }
            _ => Some(ItemIter { column: self, next: row, end: row + 1 }),
        }
    }
}

fn widened(array: &Float32Array) -> Float64Array {
    array.iter().map(|value| value.map(f64::from)).collect()
}

/// Items of one list value, `None` for a null item.
#[derive(Clone, Debug)]
pub struct ItemIter<'a> {
    column: &'a Column,
    next: usize,
    end: usize,
}

impl<'a> ItemIter<'a> {
    fn at(&self, index: usize) -> Option<Value<'a>> {
        match self.column {
            Column::List(_, Items::Int(items)) => {
                (!items.is_null(index)).then(|| Value::Int(items.value(index).into()))
            }
            Column::List(_, Items::Long(items)) => (!items.is_null(index)).then(|| Value::Int(items.value(index))),
            Column::List(_, Items::Float(items)) => (!items.is_null(index)).then(|| Value::Float(items.value(index))),
            Column::List(_, Items::Text(items)) => (!items.is_null(index)).then(|| Value::Text(items.value(index))),
            scalar => scalar.value(index),
        }
    }
}

impl<'a> Iterator for ItemIter<'a> {
    type Item = Option<Value<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        Some(self.at(self.next - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl ExactSizeIterator for ItemIter<'_> {}

/// Rows of one file, with columns by name.
#[derive(Clone, Debug)]
pub struct Batch {
    columns: Vec<Column>,
    index: Arc<HashMap<String, usize>>,
    n_rows: usize,
    /// The file, for messages.
    place: Arc<str>,
}

impl Batch {
    /// Types the columns of `batch`. `index`: column name to position; `place`: the file, for messages.
    pub fn new(batch: &RecordBatch, index: Arc<HashMap<String, usize>>, place: Arc<str>) -> Result<Batch> {
        let columns = batch.columns().iter().zip(batch.schema_ref().fields()).map(|(array, field)| {
            Column::from_array(array).ok_or_else(|| {
                Error::bad_data(format!(
                    "{place}: column `{}` has the unknown type {}",
                    field.name(),
                    array.data_type()
                ))
            })
        });
        Ok(Batch { columns: columns.collect::<Result<_>>()?, index, n_rows: batch.num_rows(), place })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Memory of its columns, in bytes.
    pub fn n_bytes(&self) -> usize {
        let of = |column: &Column| match column {
            Column::Int(values) => values.get_array_memory_size(),
            Column::Long(values) => values.get_array_memory_size(),
            Column::Float(values) => values.get_array_memory_size(),
            Column::Text(values) => values.get_array_memory_size(),
            Column::Bool(values) => values.get_array_memory_size(),
            Column::List(values, _) => values.get_array_memory_size(),
        };
        self.columns.iter().map(of).sum()
    }

    /// The file the rows are from.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// A column, where the file has it.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.index.get(name).map(|&at| &self.columns[at])
    }

    /// For values that cannot be those of the dataset: `what` says which.
    pub fn damaged(&self, what: &str) -> Error {
        Error::bad_data(format!("{}: {what}", self.place))
            .hint("`varbatch verify` says which files differ from the manifest")
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        let found = if self.column(name).is_some() { "has another type" } else { "is not there" };
        Error::bad_data(format!("{}: column `{name}` {found}, expected {expected}", self.place))
    }

    /// An int32 column that must exist.
    pub fn ints(&self, name: &str) -> Result<&Int32Array> {
        match self.column(name) {
            Some(Column::Int(values)) => Ok(values),
            _ => Err(self.wrong(name, "int32")),
        }
    }

    /// An int64 column that must exist.
    pub fn longs(&self, name: &str) -> Result<&Int64Array> {
        match self.column(name) {
            Some(Column::Long(values)) => Ok(values),
            _ => Err(self.wrong(name, "int64")),
        }
    }

    /// A float64 column that must exist.
    pub fn floats(&self, name: &str) -> Result<&Float64Array> {
        match self.column(name) {
            Some(Column::Float(values)) => Ok(values),
            _ => Err(self.wrong(name, "float64")),
        }
    }

    /// A text column that must exist.
    pub fn texts(&self, name: &str) -> Result<&StringArray> {
        match self.column(name) {
            Some(Column::Text(values)) => Ok(values),
            _ => Err(self.wrong(name, "text")),
        }
    }
}
