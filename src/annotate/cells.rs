//! Columns that are filled from the columns of another table, row by row.

use super::rows::{number, truth, whole};
use crate::dataset::batch::{Column, Value};
use crate::error::{Error, Result};
use arrow_array::ArrayRef;
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
};
use arrow_schema::DataType;

/// A column under way.
pub enum Cells {
    /// boolean
    Bool(BooleanBuilder),
    /// int32
    Int(Int32Builder),
    /// int64
    Long(Int64Builder),
    /// float64
    Float(Float64Builder),
    /// text
    Text(StringBuilder),
    /// list of int32
    Ints(ListBuilder<Int32Builder>),
    /// list of int64
    Longs(ListBuilder<Int64Builder>),
    /// list of float64
    Floats(ListBuilder<Float64Builder>),
    /// list of text
    Texts(ListBuilder<StringBuilder>),
}

/// A value whose column has another type: types are compared before values are read.
fn does_not_fit(value: &dyn std::fmt::Debug) -> Error {
    Error::internal(format!("{value:?} does not fit the type of its column"))
}

fn narrow(value: i64) -> Result<i32> {
    i32::try_from(value).map_err(|_| does_not_fit(&value))
}

impl Cells {
    /// Empty, of a type; a type that no table has is text.
    pub fn new(data_type: &DataType) -> Cells {
        match data_type {
            DataType::Boolean => Cells::Bool(BooleanBuilder::new()),
            DataType::Int32 => Cells::Int(Int32Builder::new()),
            DataType::Int64 => Cells::Long(Int64Builder::new()),
            DataType::Float64 => Cells::Float(Float64Builder::new()),
            DataType::List(item) => match item.data_type() {
                DataType::Int32 => Cells::Ints(ListBuilder::new(Int32Builder::new())),
                DataType::Int64 => Cells::Longs(ListBuilder::new(Int64Builder::new())),
                DataType::Float64 => Cells::Floats(ListBuilder::new(Float64Builder::new())),
                _ => Cells::Texts(ListBuilder::new(StringBuilder::new())),
            },
            _ => Cells::Text(StringBuilder::new()),
        }
    }

    /// A row without a value.
    pub fn push_null(&mut self) {
        match self {
            Cells::Bool(builder) => builder.append_null(),
            Cells::Int(builder) => builder.append_null(),
            Cells::Long(builder) => builder.append_null(),
            Cells::Float(builder) => builder.append_null(),
            Cells::Text(builder) => builder.append_null(),
            Cells::Ints(builder) => builder.append(false),
            Cells::Longs(builder) => builder.append(false),
            Cells::Floats(builder) => builder.append(false),
            Cells::Texts(builder) => builder.append(false),
        }
    }

    /// The value of a row of a column of the same type; texts of an undeclared type become what was found to hold them.
    pub fn push(&mut self, column: &Column, row: usize) -> Result<()> {
        if column.is_null(row) {
            self.push_null();
            return Ok(());
        }
        if let Some(mut items) = column.items(row).filter(|_| matches!(column, Column::List(..))) {
            items.try_for_each(|item| self.push_item(item))?;
            self.end_list();
            return Ok(());
        }
        match (&mut *self, column.value(row)) {
            (Cells::Bool(builder), Some(Value::Bool(value))) => builder.append_value(value),
            (Cells::Int(builder), Some(Value::Int(value))) => builder.append_value(narrow(value)?),
            (Cells::Long(builder), Some(Value::Int(value))) => builder.append_value(value),
            (Cells::Float(builder), Some(Value::Float(value))) => builder.append_value(value),
            (Cells::Text(builder), Some(Value::Text(value))) => builder.append_value(value),
            (_, Some(Value::Text(text))) => return self.push_text(text),
            (_, value) => return Err(does_not_fit(&value)),
        }
        Ok(())
    }

    /// A text as a value of the type, which holds it.
    pub fn push_text(&mut self, text: &str) -> Result<()> {
        let wrong = || does_not_fit(&text);
        match self {
            Cells::Bool(builder) => builder.append_value(truth(text).ok_or_else(wrong)?),
            Cells::Int(builder) => builder.append_value(narrow(whole(text).ok_or_else(wrong)?)?),
            Cells::Long(builder) => builder.append_value(whole(text).ok_or_else(wrong)?),
            Cells::Float(builder) => builder.append_value(number(text).ok_or_else(wrong)?),
            Cells::Text(builder) => builder.append_value(text),
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// An item of the list that is open.
    pub fn push_item(&mut self, item: Option<Value>) -> Result<()> {
        match (self, item) {
            (Cells::Ints(builder), Some(Value::Int(value))) => builder.values().append_value(narrow(value)?),
            (Cells::Longs(builder), Some(Value::Int(value))) => builder.values().append_value(value),
            (Cells::Floats(builder), Some(Value::Float(value))) => builder.values().append_value(value),
            (Cells::Texts(builder), Some(Value::Text(value))) => builder.values().append_value(value),
            (Cells::Ints(builder), None) => builder.values().append_null(),
            (Cells::Longs(builder), None) => builder.values().append_null(),
            (Cells::Floats(builder), None) => builder.values().append_null(),
            (Cells::Texts(builder), None) => builder.values().append_null(),
            (_, item) => return Err(does_not_fit(&item)),
        }
        Ok(())
    }

    /// Ends the list that is open.
    pub fn end_list(&mut self) {
        match self {
            Cells::Ints(builder) => builder.append(true),
            Cells::Longs(builder) => builder.append(true),
            Cells::Floats(builder) => builder.append(true),
            Cells::Texts(builder) => builder.append(true),
            _ => {}
        }
    }

    /// The rows; empty after.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Cells::Bool(builder) => ArrayBuilder::finish(builder),
            Cells::Int(builder) => ArrayBuilder::finish(builder),
            Cells::Long(builder) => ArrayBuilder::finish(builder),
            Cells::Float(builder) => ArrayBuilder::finish(builder),
            Cells::Text(builder) => ArrayBuilder::finish(builder),
            Cells::Ints(builder) => ArrayBuilder::finish(builder),
            Cells::Longs(builder) => ArrayBuilder::finish(builder),
            Cells::Floats(builder) => ArrayBuilder::finish(builder),
            Cells::Texts(builder) => ArrayBuilder::finish(builder),
        }
    }
}
