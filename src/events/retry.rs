//! What follows an attempt at a delivery: pure. An event is attempted for 24 hours, ever more rarely; a
//! target that fails again and again is left alone between attempts, whatever waits for it.

use crate::model::Time;

/// How long an event is attempted: 24 hours.
pub const TRIED_SECONDS: i64 = 24 * 3600;
/// The pause after the first failure, the second, and so on; the last repeats.
const PAUSES: [i64; 7] = [5, 30, 120, 300, 900, 1_800, 3_600];
/// So many failures in a row, and the target rests.
const FAILURES_MAX: u32 = 3;
/// The longest rest, unless the target asks for more.
const REST_MAX: i64 = 900;
/// The longest rest that a target can ask for.
const REST_ASKED_MAX: i64 = 3_600;

/// What an attempt came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP, if there was an answer.
    pub status: Option<u16>,
    /// What went wrong; `None` when it was delivered.
    pub error: Option<String>,
    /// Seconds that the target asks to be left alone (RFC 9110 10.2.3).
    pub retry_after: Option<i64>,
}

/// What becomes of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    /// It is attempted again then.
    Again(Time),
    Failed,
}

impl Answer {
    /// Was it taken?
    pub const fn is_delivered(&self) -> bool {
        self.error.is_none()
    }
}

/// What becomes of a delivery that was attempted so often before.
pub fn next(answer: &Answer, attempts: u32, since: Time, now: Time) -> Next {
    if answer.is_delivered() {
        return Next::Delivered;
    }
    let end = since.plus_seconds(TRIED_SECONDS);
    if now >= end {
        return Next::Failed;
    }
    // The last attempt is made when the time is over, not before.
    Next::Again(now.plus_seconds(pause(attempts)).min(end))
}

/// Until when the target is left alone after it failed so often in a row.
pub fn rest(answer: &Answer, failures: u32, now: Time) -> Time {
    let asked = answer.retry_after.unwrap_or(0).clamp(0, REST_ASKED_MAX);
    let own = match failures.checked_sub(FAILURES_MAX) {
        Some(beyond) => pause(beyond).min(REST_MAX),
        None => 0,
    };
    now.plus_seconds(asked.max(own))
}

/// Has the target failed so often that nothing more is attempted in this round?
pub const fn is_ailing(failures: u32) -> bool {
    failures >= FAILURES_MAX
}

fn pause(attempts: u32) -> i64 {
    let index = usize::try_from(attempts).unwrap_or(usize::MAX);
    PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Answer {
        Answer { status: Some(500), error: Some("500".to_owned()), retry_after: None }
    }

    #[test]
    fn an_event_is_attempted_ever_more_rarely_for_24_hours() {
        let since = Time::from_seconds(0);
        let (mut now, mut attempts, mut pauses) = (since, 0, Vec::new());
        while let Next::Again(at) = next(&failed(), attempts, since, now) {
            pauses.push(at.as_seconds() - now.as_seconds());
            (now, attempts) = (at, attempts + 1);
            assert!(attempts < 100);
        }
        assert_eq!(now.as_seconds(), TRIED_SECONDS, "the last attempt is at the end");
        assert_eq!(pauses[..7], PAUSES);
        assert!((25..35).contains(&attempts), "{attempts}");
    }

    #[test]
    fn what_is_taken_is_delivered_however_late() {
        let answer = Answer { status: Some(204), ..Answer::default() };
        let late = Time::from_seconds(2 * TRIED_SECONDS);
        assert_eq!(next(&answer, 9, Time::from_seconds(0), late), Next::Delivered);
    }

    #[test]
    fn a_target_rests_after_three_failures_or_when_it_asks() {
        let now = Time::from_seconds(0);
        let rests = |failures| rest(&failed(), failures, now).as_seconds();
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 50].map(rests), [0, 0, 5, 30, 120, 300, 900, 900]);
        assert!(!is_ailing(2) && is_ailing(3));
        let asks = |seconds| Answer { retry_after: Some(seconds), ..failed() };
        assert_eq!(rest(&asks(60), 1, now).as_seconds(), 60);
        assert_eq!(rest(&asks(i64::MAX), 1, now).as_seconds(), REST_ASKED_MAX);
        assert_eq!(rest(&asks(-1), 1, now).as_seconds(), 0);
    }
}
