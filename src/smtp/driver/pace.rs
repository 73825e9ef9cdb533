//! How fast a client is, and by when it has been too slow.

use std::time::Duration;

use tokio::time::Instant;

use super::admission::Pressure;
use crate::smtp::limits::Limits;
use crate::smtp::session::{Phase, Session};

/// Where the client stands in time.
pub struct Pace {
    /// The last mail, or the start.
    mail: Instant,
    mails: u32,
    /// When we began to wait for the command.
    command: Instant,
    commands: u64,
    /// When the content began, with the time that we let the client wait added.
    content: Option<Instant>,
    received: u64,
    /// When something was last read.
    read: Instant,
}

impl Pace {
    /// A client that has just come.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            mail: now,
            mails: 0,
            command: now,
            commands: 0,
            content: None,
            received: 0,
            read: now,
        }
    }

    /// We begin to wait for input.
    pub fn wait(&mut self, session: &Session) {
        let now = Instant::now();
        if self.mails != session.mails() {
            self.mails = session.mails();
            (self.mail, self.content, self.received) = (now, None, 0);
        }
        if self.commands != session.commands() {
            self.commands = session.commands();
            (self.command, self.read) = (now, now);
        }
        match session.phase() {
            Phase::Command => (self.content, self.received) = (None, 0),
            Phase::Content => _ = self.content.get_or_insert(now),
        }
    }

    /// So many bytes came.
    pub fn read(&mut self, count: usize) {
        self.read = Instant::now();
        if self.content.is_some() {
            self.received = self.received.saturating_add(count as u64);
        }
    }

    /// Bytes of the content so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// We let the client wait.
    pub fn excuse(&mut self, waited: Duration) {
        self.content = self.content.map(|began| began + waited);
        self.read += waited;
    }

    /// When the client has been too slow. A command must be whole by then, however its bytes trickle;
    /// content must come at the least rate, however it is spread.
    pub fn deadline(&self, limits: &Limits, pressure: Pressure, phase: Phase) -> Instant {
        let patience = |usual| patience(limits, pressure, usual);
        let idle = patience(limits.command_seconds);
        let mut deadline = self.mail + seconds(limits.session_seconds);
        match (phase, self.content) {
            (Phase::Content, Some(began)) => {
                let earned = seconds(self.received / limits.data_bytes_per_second.max(1));
                let rate = began + patience(limits.data_grace_seconds) + earned;
                let whole = began + seconds(limits.data_seconds);
                deadline = deadline.min(self.read + idle).min(rate).min(whole);
            }
            _ => deadline = deadline.min(self.command + idle),
        }
        match pressure {
            Pressure::Stopping(until) => deadline.min(until),
            Pressure::Normal | Pressure::Overload => deadline,
        }
    }
}

/// How long a client is waited for: less while places run out.
pub fn patience(limits: &Limits, pressure: Pressure, usual: u64) -> Duration {
    match pressure {
        Pressure::Normal => seconds(usual),
        Pressure::Overload | Pressure::Stopping(_) => seconds(usual.min(limits.overload_seconds)),
    }
}

/// So many seconds; more than ten years are ten years, which every clock can add.
pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count.min(10 * 365 * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the deadline of a client whose content begins now.
    fn left(pressure: Pressure, phase: Phase, change: impl FnOnce(&mut Pace)) -> u64 {
        let mut pace = Pace::new();
        let now = pace.read;
        pace.content = Some(now);
        change(&mut pace);
        (pace.deadline(&Limits::default(), pressure, phase) - now).as_secs()
    }

    #[test]
    fn waits_for_a_command_as_a_whole() {
        let trickled = |pace: &mut Pace| pace.read(4000);
        assert_eq!(left(Pressure::Normal, Phase::Command, trickled), 300);
        assert_eq!(left(Pressure::Overload, Phase::Command, trickled), 10);
    }

    #[test]
    fn waits_for_content_by_its_rate() {
        let normal =
            |received| left(Pressure::Normal, Phase::Content, |pace| pace.received = received);
        assert_eq!(normal(0), 180, "grace");
        assert_eq!(normal(50_000), 280, "500 bytes a second earn more");
        assert_eq!(normal(u64::MAX), 300, "but no longer silence than this");
        assert_eq!(left(Pressure::Overload, Phase::Content, |_| {}), 10);
    }

    #[test]
    fn does_not_charge_the_client_for_our_own_waiting() {
        let excused = |pace: &mut Pace| pace.excuse(Duration::from_secs(60));
        assert_eq!(left(Pressure::Normal, Phase::Content, excused), 240);
    }

    #[test]
    fn ends_when_the_gateway_does() {
        let soon = Instant::now() + Duration::from_secs(5);
        assert!(left(Pressure::Stopping(soon), Phase::Content, |_| {}) <= 5);
    }
}
