//! What a server's processes have cost so far, from /proc.

use std::fs;
use std::time::Duration;

/// Clock ticks a second in /proc: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// A process and its children.
#[derive(Clone, Copy)]
pub struct Family(pub u32);

/// Resident memory in MB.
#[derive(Clone, Copy)]
pub struct Memory {
    pub now: f64,
    pub peak: f64,
}

/// So often, every 300 ms, it is looked whether anything is still being done: the words of a million mails
/// take minutes.
const SETTLE_LOOKS_MAX: u32 = 4_000;

impl Family {
    /// CPU seconds of the process, its living children, and those it has waited for.
    pub fn cpu_seconds(self) -> f64 {
        let Self(parent) = self;
        let own = Stat::of(parent).map_or(0, |stat| stat.own + stat.waited_for);
        let children = all_processes().filter_map(Stat::of).filter(|stat| stat.parent == parent);
        (own + children.map(|child| child.own + child.waited_for).sum::<u64>()) as f64 / TICKS
    }

    /// Waits until it rests, so that what it still does is counted as its cost.
    pub fn settle(self) {
        let mut before = self.cpu_seconds();
        for _ in 0..SETTLE_LOOKS_MAX {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.cpu_seconds();
            if now - before < 0.015 {
                return;
            }
            before = now;
        }
    }

    /// Memory of the process itself.
    pub fn memory(self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            kilobytes.and_then(|number| number.trim().parse::<f64>().ok()).unwrap_or(f64::NAN)
        };
        Memory { now: field("VmRSS:") / 1_024.0, peak: field("VmHWM:") / 1_024.0 }
    }
}

/// The fields of /proc/PID/stat that count here, in ticks.
struct Stat {
    parent: u32,
    own: u64,
    waited_for: u64,
}

impl Stat {
    fn of(process: u32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // proc(5): the name is in parentheses and may hold anything; the state follows.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: number(11)? + number(12)?,
            waited_for: number(13)? + number(14)?,
        })
    }
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
