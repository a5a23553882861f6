//! Columns that are filled from the columns of another table, row by row.

use super::rows::{number, truth, whole};
use crate::dataset::batch::{Column, Value};
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
    pub fn push(&mut self, column: &Column, row: usize) {
        if column.is_null(row) {
            return self.push_null();
        }
        if let Some(items) = column.items(row).filter(|_| matches!(column, Column::List(..))) {
            items.for_each(|item| self.push_item(item));
            return self.end_list();
        }
        match (&mut *self, column.value(row)) {
            (Cells::Bool(builder), Some(Value::Bool(value))) => builder.append_value(value),
            (Cells::Int(builder), Some(Value::Int(value))) => builder.append_value(value as i32),
            (Cells::Long(builder), Some(Value::Int(value))) => builder.append_value(value),
            (Cells::Float(builder), Some(Value::Float(value))) => builder.append_value(value),
            (Cells::Text(builder), Some(Value::Text(value))) => builder.append_value(value),
            (_, Some(Value::Text(text))) => self.push_text(text),
            _ => self.push_null(),
        }
    }

    /// A text as a value of the type.
    pub fn push_text(&mut self, text: &str) {
        match self {
            Cells::Bool(builder) => builder.append_option(truth(text)),
            Cells::Int(builder) => builder.append_option(whole(text).map(|value| value as i32)),
            Cells::Long(builder) => builder.append_option(whole(text)),
            Cells::Float(builder) => builder.append_option(number(text)),
            Cells::Text(builder) => builder.append_value(text),
            _ => self.push_null(),
        }
    }

    /// An item of the list that is open.
    pub fn push_item(&mut self, item: Option<Value>) {
        match (self, item) {
            (Cells::Ints(builder), Some(Value::Int(value))) => builder.values().append_value(value as i32),
            (Cells::Longs(builder), Some(Value::Int(value))) => builder.values().append_value(value),
            (Cells::Floats(builder), Some(Value::Float(value))) => builder.values().append_value(value),
            (Cells::Texts(builder), Some(Value::Text(value))) => builder.values().append_value(value),
            (Cells::Ints(builder), _) => builder.values().append_null(),
            (Cells::Longs(builder), _) => builder.values().append_null(),
            (Cells::Floats(builder), _) => builder.values().append_null(),
            (Cells::Texts(builder), _) => builder.values().append_null(),
            _ => {}
        }
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
