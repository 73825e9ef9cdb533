//! How far an import is: a bar on a terminal, a plain line now and then elsewhere. On standard error,
//! so that the answer stands alone.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};

/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far it is.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    /// At the beginning of so many bytes.
    pub fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{bar:30} {percent}%  {msg}, {bytes_per_sec}, {eta} left",
            );
            let bar = ProgressBar::new(total);
            style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
        });
        let now = Instant::now();
        Self { bar, total, done: 0, started: now, told: now }
    }

    /// So many mails in all, so many bytes more.
    pub fn advance(&mut self, mails: u64, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = format!("{} mails, {:.0}/s", HumanCount(mails), mails as f64 / seconds);
        if let Some(bar) = &self.bar {
            bar.set_message(rate);
            bar.set_position(self.done);
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            // Nobody may be listening: the import goes on.
            let _ = writeln!(std::io::stderr(), "{}", self.line(&rate));
        }
    }

    fn line(&self, rate: &str) -> String {
        let share = self.done as f64 / self.total.max(1) as f64;
        let left = self.started.elapsed().mul_f64((1.0 / share.max(0.000_1) - 1.0).max(0.0));
        let (done, total) = (HumanBytes(self.done), HumanBytes(self.total));
        format!("{done} of {total}, {rate}, {} left", HumanDuration(left))
    }

    /// Clears the bar: the answer follows.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let mut progress = Progress::new(2_000);
        progress.advance(10, 1_000);
        let line = progress.line("10 mails, 5/s");
        assert!(line.starts_with("1000 B of 1.95 KiB, 10 mails, 5/s, "), "{line}");
        assert!(Progress::new(0).line("").contains("0 B of 0 B"));
    }
}
