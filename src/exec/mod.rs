//! Which shards this process runs, and how the process ends.

mod finalize;
mod frame;
mod inputs;
mod joint;
mod preflight;
pub mod resources;
mod run;
pub mod scheduler;
mod share;
mod task;

pub use finalize::{finalize, published};
pub use frame::Frame;
pub use inputs::Inputs;
pub use preflight::Preflight;
pub use run::{Done, Run};
pub use share::Share;
pub use task::Stages;

/// A panic in any thread ends the process with exit code 70: never an endless wait, never half of the rows with exit 0. But for
/// those of the general reader of Parquet, which become errors ([`crate::store::parquet::guarded`]).
pub fn end_process_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if crate::store::parquet::is_guarded() {
            return;
        }
        print(info);
        eprintln!("error: this is a bug in varbatch; please report it with the command and the lines above");
        std::process::exit(i32::from(crate::error::Class::Internal.exit_code()));
    }));
}
