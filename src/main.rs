//! The `mailweave` command: reads the arguments and hands them on.

use std::process::ExitCode;

use clap::Parser;
use mailweave::command::{Arguments, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse()).await
}
