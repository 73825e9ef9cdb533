//! IDLE (RFC 2177): waiting for the server to say that something changed.

use std::future::Future;
use std::time::Duration;

use async_imap::imap_proto::{MailboxDatum, Response};
use tokio::time::{Instant, timeout_at};

use super::Error;
use super::session::{SMALL, Session, Step, in_time};

/// Why the waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something came, or may have come.
    Changed,
    Timeout,
    /// Who waited was called away.
    Interrupted,
}

/// A server that is alive answers to the end of the waiting in this time.
const PROBE_TIME: Duration = Duration::from_secs(20);
/// Bytes of one answer that a server may send while nobody asks for anything. How many answers come is
/// bounded by time alone: who marks a folder as read makes one for each mail.
const IDLE_BYTES_MAX: u64 = 1_048_576;

impl Session {
    /// Waits at most `time`. The server's answer to the end of the waiting proves that it is alive. A server
    /// that refuses what it offers does not offer it any more, and the session goes on without.
    pub async fn idle(
        &mut self,
        time: Duration,
        interrupted: impl Future<Output = ()>,
    ) -> Result<Wake, Error> {
        let idled = self.idle_once(time, interrupted).await;
        if matches!(idled, Err(Error::Refused { .. } | Error::Unsupported(_))) {
            self.capabilities.remove("IDLE");
        }
        idled
    }

    async fn idle_once(
        &mut self,
        time: Duration,
        interrupted: impl Future<Output = ()>,
    ) -> Result<Wake, Error> {
        if !self.can("IDLE") {
            return Err(Error::Unsupported("IDLE"));
        }
        if std::mem::take(&mut self.has_news) {
            return Ok(Wake::Changed);
        }
        let until = Instant::now() + time;
        let (tag, mut wake) = Box::pin(self.begin_idle()).await?;
        if wake.is_none() {
            wake = Some(self.wait(&tag, until, interrupted).await?);
        }
        let late = Box::pin(self.end_idle(&tag)).await?;
        self.has_news = false;
        Ok(match (wake, late) {
            (_, true) => Wake::Changed,
            (wake, false) => wake.unwrap_or(Wake::Changed),
        })
    }

    /// Up to the `+`. What the server tells before it must not be lost: it is why some clients sleep
    /// while mail is there (seen at Exchange, Webklex/php-imap#258).
    async fn begin_idle(&mut self) -> Result<(String, Option<Wake>), Error> {
        let time = self.options().command_time;
        let begin = async {
            let tag = self.begin("IDLE", SMALL).await?;
            let mut changed = false;
            loop {
                let mut note = |response: &Response<'_>| changed |= is_change(response);
                match self.step(&tag, "IDLE", &mut note).await? {
                    Step::Continue(_) => return Ok((tag, changed.then_some(Wake::Changed))),
                    // An OK without a `+` is no IDLE.
                    Step::Done => {
                        self.ended();
                        return Err(Error::Unsupported("IDLE"));
                    }
                    Step::Data => {}
                }
            }
        };
        in_time(time, begin).await
    }

    async fn wait(
        &mut self,
        tag: &str,
        until: Instant,
        interrupted: impl Future<Output = ()>,
    ) -> Result<Wake, Error> {
        let mut interrupted = std::pin::pin!(interrupted);
        loop {
            let mut changed = false;
            let mut note = |response: &Response<'_>| changed |= is_change(response);
            self.allow(IDLE_BYTES_MAX);
            let step = tokio::select! {
                step = timeout_at(until, self.step(tag, "IDLE", &mut note)) => step,
                () = &mut interrupted => return Ok(Wake::Interrupted),
            };
            match step {
                Err(_) => return Ok(Wake::Timeout),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Step::Done)) => return Err(self.lost("the server ended IDLE")),
                // `AccessTokenExpired`, say: nobody waits for the connection to end, too.
                Ok(Ok(_)) if self.bye.is_some() => return Err(self.lost("BYE")),
                Ok(Ok(_)) if changed => return Ok(Wake::Changed),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// DONE, and the tagged answer. `true` when something changed meanwhile.
    async fn end_idle(&mut self, tag: &str) -> Result<bool, Error> {
        let time = self.options().command_time.min(PROBE_TIME);
        let mut changed = false;
        let end = async {
            self.write_line("DONE").await?;
            let mut note = |response: &Response<'_>| changed |= is_change(response);
            loop {
                self.allow(IDLE_BYTES_MAX);
                if matches!(self.step(tag, "IDLE", &mut note).await?, Step::Done) {
                    return Ok(());
                }
            }
        };
        in_time(time, end).await?;
        self.ended();
        Ok(changed)
    }
}

/// A mail came, or flags or places changed in a way that may hide one.
pub(super) const fn is_change(response: &Response<'_>) -> bool {
    matches!(response, Response::MailboxData(MailboxDatum::Exists(_) | MailboxDatum::Recent(_)))
}
