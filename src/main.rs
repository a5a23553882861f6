//! Parse, run, turn the result into an exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    varbatch::exec::end_process_on_panic();
    ExitCode::from(varbatch::cli::main())
}
