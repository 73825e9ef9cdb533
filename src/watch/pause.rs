//! How often something is tried again that did not go well: ever more rarely. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// A pause, and how long the next will be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    until: Option<Instant>,
    next: Duration,
}

impl Pause {
    /// It may be tried.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// It did not go well. The first time may be chance, and makes no pause; each later one is twice as long
    /// as the one before, between these bounds.
    pub fn lengthen(&mut self, now: Instant, (shortest, longest): (Duration, Duration)) {
        self.until = Some(now + self.next);
        self.next = self.next.saturating_mul(2).clamp(shortest, longest);
    }

    /// It went well.
    pub fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_ever_more_rarely_until_it_goes_well() {
        const BOUNDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));
        let now = Instant::now();
        let is_over = |pause: &Pause, seconds| pause.is_over(now + Duration::from_secs(seconds));
        let mut pause = Pause::default();
        assert!(is_over(&pause, 0));
        for seconds in [0, 60, 120, 240, 300, 300] {
            pause.lengthen(now, BOUNDS);
            assert!(is_over(&pause, seconds) && (seconds == 0 || !is_over(&pause, seconds - 1)));
        }
        pause.end();
        assert!(is_over(&pause, 0));
        pause.lengthen(now, BOUNDS);
        assert!(is_over(&pause, 0));
    }
}
