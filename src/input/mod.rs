//! Which files make a cohort: formats recognised by content, headers merged, samples put together.

pub mod cohort;
pub mod copy;
pub mod file;
mod gvcf;
pub mod index;
mod index_counts;
pub mod prepare;
pub mod reference;
pub mod sheet;

pub use cohort::{Cohort, Gvcf, Joint, Layout};
pub use file::{Format, InputFile, whole_text};
