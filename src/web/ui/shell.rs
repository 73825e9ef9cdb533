//! What stands around every page: where one can go, who is signed in, the message of the last form.

use askama::filters::Safe;

use super::assets;
use super::flash::Flash;
use super::time::{Clock, Shown};
use crate::model::{Role, Time, User};

/// Where a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Conversations,
    Contacts,
    Activity,
    Email,
    Account,
    SubAccount,
    People,
    Developers,
    Admin,
}

/// What stands around a page, for its template.
pub struct Shell {
    tab: Tab,
    pub name: String,
    pub email: String,
    role: Role,
    pub flash: Option<Flash>,
    /// The browser has the stylesheet already.
    pub has_style: bool,
    /// The reader's mailbox waits for its consent, and this page does not say so itself.
    pub needs_consent: bool,
    /// So many mails wait for somebody to decide: they are gone after a while (B13).
    pub held: i64,
    clock: Clock,
}

/// One way to go.
pub struct Way {
    pub href: &'static str,
    /// The key of its words.
    pub words: &'static str,
    pub icon: &'static str,
    /// It leads here, or to where this page belongs.
    pub is_here: bool,
    /// So many wait there, if any do.
    pub waiting: Option<String>,
}

impl Shell {
    /// Around a page of `tab`, as `user` sees it.
    pub fn new(tab: Tab, user: &User, flash: Option<Flash>, now: Time) -> Self {
        Self {
            tab,
            name: user.name.clone(),
            email: user.email.to_string(),
            role: user.role,
            flash,
            has_style: false,
            needs_consent: false,
            held: 0,
            clock: Clock::new(&user.time_zone, now),
        }
    }

    /// A time as the reader's clock shows it.
    pub fn time(&self, time: &Time) -> Shown {
        self.clock.show(*time)
    }

    /// The letters that stand for who is signed in.
    pub fn initials(&self) -> String {
        let words = self.name.split_whitespace().filter_map(|word| word.chars().next());
        words.take(2).flat_map(char::to_uppercase).collect()
    }

    /// The main ways.
    pub fn ways(&self) -> Vec<Way> {
        let mut ways = vec![
            self.way(&[Tab::Conversations], "/conversations", "nav.conversations", "conversations"),
            self.way(&[Tab::Contacts], "/contacts", "nav.contacts", "contacts"),
            self.way(&[Tab::Activity], "/activity", "nav.activity", "activity"),
            self.way(&SETTINGS, "/settings/email", "nav.settings", "settings"),
        ];
        if self.role >= Role::Operator {
            ways.push(self.way(&[Tab::Admin], "/admin", "nav.admin", "admin"));
        }
        ways
    }

    /// The ways within the settings, on pages that belong to them.
    pub fn settings(&self) -> Vec<Way> {
        if !SETTINGS.contains(&self.tab) {
            return Vec::new();
        }
        let mut ways = vec![
            self.way(&[Tab::Email], "/settings/email", "nav.email", "mail"),
            self.way(&[Tab::Account], "/settings/account", "nav.account", "shield"),
        ];
        if self.role >= Role::Admin {
            ways.extend([
                self.way(
                    &[Tab::SubAccount],
                    "/settings/sub-account",
                    "nav.sub_account",
                    "building",
                ),
                self.way(&[Tab::People], "/settings/people", "nav.people", "person"),
                self.way(&[Tab::Developers], "/settings/developers", "nav.developers", "code"),
            ]);
        }
        ways
    }

    /// The stylesheet's address.
    pub fn style(&self) -> &'static str {
        assets::style()
    }

    /// The stylesheet itself, for a browser that has not.
    pub const fn style_text(&self) -> Safe<&'static str> {
        assets::style_text()
    }

    /// The script's address.
    pub fn script(&self) -> &'static str {
        assets::script()
    }

    /// The icon's address.
    pub fn icon(&self) -> &'static str {
        assets::icon()
    }

    fn way(
        &self,
        tabs: &[Tab],
        href: &'static str,
        words: &'static str,
        icon: &'static str,
    ) -> Way {
        let held = if tabs == [Tab::Activity] { self.held } else { 0 };
        let waiting = match held {
            ..=0 => None,
            1..100 => Some(held.to_string()),
            // Nobody counts further.
            _ => Some("99+".to_owned()),
        };
        Way { href, words, icon, is_here: tabs.contains(&self.tab), waiting }
    }
}

const SETTINGS: [Tab; 5] =
    [Tab::Email, Tab::Account, Tab::SubAccount, Tab::People, Tab::Developers];
