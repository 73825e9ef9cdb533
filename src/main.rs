//! The `mailweave` command: reads the arguments and hands them on.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use mailweave::command::{Arguments, run};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages make the gateway larger by half, and slower: the kernel clears two megabytes, and moves
    // others away, for a few mails. Where it knows of none, there is nothing to turn off.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let runtime = Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(Arguments::parse())),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mailweave cannot start its threads: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One core is left to the thread that writes the store: on two, a second worker takes as much from it as it
/// gives, and a quarter more memory.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1).max(1)
}
