//! The `mailweave` command: reads the arguments and hands them on.

use std::process::ExitCode;

use clap::Parser;
use mailweave::command::{Arguments, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages make the gateway larger by half, and slower: the kernel clears two megabytes, and moves
    // others away, for a few mails. Where it knows of none, there is nothing to turn off.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    start()
}

#[tokio::main]
async fn start() -> ExitCode {
    run(Arguments::parse()).await
}
