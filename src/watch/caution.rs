//! How a folder is read on when a server's answers about its mails cannot be read, are refused, or never
//! come: in ever smaller pages, down to the one mail that it is about; and that one is left out in the end,
//! so that it does not keep all others from being seen. Pure.

/// Headers that are judged at once.
const PAGE: u32 = 500;
/// So many times is a single mail asked for whose answer cannot be read.
const UNREADABLE_TRIES_MAX: u32 = 3;
/// The same where the server refuses or hangs up: it may be busy, so patience is hours, as the waits grow.
const REFUSED_TRIES_MAX: u32 = 12;

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

#[cfg(test)]
mod tests {
    use super::*;

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
