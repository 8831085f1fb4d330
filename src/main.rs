//! The `soundseek` binary: parse, run, print the error, exit.

mod cli;

use std::process::ExitCode;

/// Tensors of a few megabytes come and go with every operation; glibc's allocator gives each back to
/// the system, which costs more than the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(outcome) => outcome.into(),
        // The reader of a pipe, such as `head`, has seen enough.
        Err(error) if is_broken_pipe(&error) => cli::Outcome::Found.into(),
        Err(error) => {
            cli::complain(&format!("{error:#}"));
            cli::Outcome::Failed.into()
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
