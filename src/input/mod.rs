//! Which files make a cohort: formats recognised by content, headers merged, samples put together.

pub mod cohort;
pub mod copy;
pub mod file;
pub mod index;
pub mod prepare;
pub mod reference;
pub mod sheet;

pub use cohort::{Cohort, Layout};
pub use file::{Format, InputFile};
