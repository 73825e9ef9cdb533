//! How a folder is read on when a server's answers about its mails cannot be read, are refused, or never
//! come: in ever smaller pages, down to the one mail that it is about; and that one is left out in the end,
//! so that it does not keep all others from being seen, and asked for again later. Pure.

use crate::model::Time;

/// Headers that are judged at once.
const PAGE: u32 = 500;
/// So many times is a single mail asked for whose answer cannot be read.
const UNREADABLE_TRIES_MAX: u32 = 3;
/// The same where the server refuses or hangs up: it may be busy, so patience is hours, as the waits grow.
const REFUSED_TRIES_MAX: u32 = 12;
/// A mail that was left out is asked for again after so long; each wait is twice the one before.
const ASK_AGAIN_SECONDS: i64 = 300;
const ASK_AGAIN_SECONDS_MAX: i64 = 24 * 3_600;
/// And that for so long.
const ASKED_FOR_SECONDS: i64 = 7 * 24 * 3_600;

/// What came of asking for mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The answer cannot be read.
    Unreadable,
    /// It was refused (NO or BAD).
    Refused,
    /// The connection was lost over it, and not for the first time.
    Lost,
}

/// How carefully a folder is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caution {
    page: u32,
    unreadable: u32,
    refused: u32,
    /// Where the page began over which the connection was lost.
    lost_at: Option<u32>,
}

impl Default for Caution {
    fn default() -> Self {
        Self { page: PAGE, unreadable: 0, refused: 0, lost_at: None }
    }
}

impl Caution {
    /// So many mails are asked for at once.
    pub const fn page(self) -> u32 {
        self.page
    }

    /// The single mail that is next was asked for in vain often enough.
    pub const fn gives_up(self) -> bool {
        self.page == 1
            && (self.unreadable >= UNREADABLE_TRIES_MAX || self.refused >= REFUSED_TRIES_MAX)
    }

    /// A page was asked for in vain.
    pub fn handle_trouble(&mut self, trouble: Trouble) {
        if self.page > 1 {
            self.page = (self.page / 8).max(1);
            return;
        }
        match trouble {
            Trouble::Unreadable => self.unreadable += 1,
            Trouble::Refused | Trouble::Lost => self.refused += 1,
        }
    }

    /// The connection was lost over the page that begins there. Once says nothing of its mails; answers if
    /// it is the same page again.
    pub fn handle_loss(&mut self, at: u32) -> bool {
        let is_again = self.lost_at.replace(at) == Some(at);
        if is_again {
            self.handle_trouble(Trouble::Lost);
        }
        is_again
    }

    /// A page was read, or its only mail left out.
    pub fn handle_page(&mut self) {
        *self = Self { page: (self.page * 2).min(PAGE), ..Self::default() };
    }
}

/// When a mail is asked for that was left out then, and asked for so often since. `None`: never again.
pub fn ask_again(since: Time, tries: u32, now: Time) -> Option<Time> {
    // Ten doublings are beyond the longest wait.
    let wait = ASK_AGAIN_SECONDS << tries.min(10);
    let at = now.plus_seconds(wait.min(ASK_AGAIN_SECONDS_MAX));
    (at <= since.plus_seconds(ASKED_FOR_SECONDS)).then_some(at)
}

/// When it is asked for once more, should the last time come to nothing for another reason than its own.
pub fn last_time(now: Time) -> Time {
    now.plus_seconds(ASK_AGAIN_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_asked_for_ever_more_rarely_and_for_a_week() {
        let since = Time::from_seconds(1_000_000);
        let (mut now, mut waits) = (since, Vec::new());
        while let Some(at) = ask_again(since, waits.len() as u32, now) {
            waits.push((at.as_seconds() - now.as_seconds()) / 60);
            now = at;
        }
        let day = 24 * 60;
        assert_eq!(waits[..9], [5, 10, 20, 40, 80, 160, 320, 640, 1_280]);
        assert_eq!(waits[9..], [day; 5]);
        assert!(ask_again(since, u32::MAX, since).is_some(), "no number is too large");
        // Who was away for longer asks once, and no more.
        assert_eq!(ask_again(since, 3, since.plus_seconds(30 * 24 * 3_600)), None);
    }

    #[test]
    fn one_mail_that_cannot_be_read_is_found_and_left_out() {
        let mut caution = Caution::default();
        for page in [500, 62, 7, 1, 1, 1] {
            assert_eq!(caution.page(), page);
            assert!(!caution.gives_up());
            caution.handle_trouble(Trouble::Unreadable);
        }
        assert!(caution.gives_up());
        caution.handle_page();
        assert_eq!((caution.page(), caution.gives_up()), (2, false));
        for _ in 0..20 {
            caution.handle_page();
        }
        assert_eq!(caution, Caution::default());
    }

    #[test]
    fn a_page_over_which_the_connection_is_lost_again_and_again_is_made_smaller() {
        let mut caution = Caution::default();
        assert!(!caution.handle_loss(7) && !caution.handle_loss(9) && !caution.handle_loss(7));
        assert_eq!(caution.page(), PAGE);
        assert!(caution.handle_loss(7) && caution.page() < PAGE);
        for _ in 0..2 + REFUSED_TRIES_MAX {
            assert!(!caution.gives_up());
            caution.handle_loss(7);
        }
        assert!(caution.gives_up());
        caution.handle_page();
        assert!(!caution.handle_loss(7));
    }

    #[test]
    fn a_refusal_is_met_with_more_patience() {
        let mut caution = Caution { page: 1, ..Caution::default() };
        for _ in 0..REFUSED_TRIES_MAX {
            assert!(!caution.gives_up());
            caution.handle_trouble(Trouble::Refused);
        }
        assert!(caution.gives_up());
    }
}
