//! The general reader of Parquet takes lengths and indexes in a page for granted where it should not: a damaged page can be a panic
//! there. It is the file that is at fault then, and not this program.

use super::reading_error;
use crate::error::Result;
use crate::store::DataFile;
use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is one of [`guarded`]: then it is no bug of this program.
pub fn is_guarded() -> bool {
    IS_GUARDED.get()
}

/// Lets the general reader read; a panic there means that the file is damaged. What was reading is not to be used again then.
pub fn guarded<T>(file: &DataFile, read: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T> {
    let before = IS_GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(read));
    IS_GUARDED.set(before);
    let done = done.unwrap_or_else(|cause| Err(ParquetError::General(text_of(&*cause).to_owned())));
    done.map_err(|error| reading_error(file, error))
}

/// The next batch of a reader.
pub fn next_batch(reader: &mut ParquetRecordBatchReader, file: &DataFile) -> Option<Result<RecordBatch>> {
    guarded(file, || reader.next().transpose().map_err(ParquetError::from)).transpose()
}

/// What a panic said.
fn text_of(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("its pages are damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_panic_is_an_error_of_the_file() {
        let file = DataFile::from(Path::new("part.parquet"));
        let index = std::hint::black_box(9);
        let error = guarded(&file, || Ok([0; 4][index])).expect_err("there is no such element");
        assert!(error.message().contains("part.parquet") && error.message().contains("out of bounds"), "{error:?}");
        let error = guarded::<()>(&file, || panic!("with a text")).expect_err("a panic");
        assert!(error.message().contains("with a text"));
        assert!(!is_guarded());
        assert!(guarded(&file, || Ok(is_guarded())).expect("no panic"));
        assert!(
            guarded(&file, || Ok(guarded(&file, || Ok(1)).is_ok() && is_guarded())).expect("no panic"),
            "one in another"
        );
    }
}
