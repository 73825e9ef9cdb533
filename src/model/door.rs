//! Doors: the ways in which a mail reaches us.

use serde::{Deserialize, Serialize};

/// A way in, or `send` for what the CRM sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The smart BCC address.
    Smtp,
    /// A connected mailbox, by IMAP.
    Imap,
    /// A connected mailbox, by Microsoft Graph.
    Graph,
    /// A connected mailbox, by Exchange Web Services.
    Ews,
    /// `mailweave import`.
    Import,
    /// Sent by the CRM.
    Send,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 6] =
        [Self::Smtp, Self::Imap, Self::Graph, Self::Ews, Self::Import, Self::Send];

    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Graph => "graph",
            Self::Ews => "ews",
            Self::Import => "import",
            Self::Send => "send",
        }
    }

    /// The door of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.name() == name)
    }
}

/// A set of doors, as one number in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Doors(pub i64);

impl Doors {
    /// Just this door.
    pub const fn only(door: Door) -> Self {
        Self(1 << door as i64)
    }

    /// These doors and this one.
    pub const fn with(self, door: Door) -> Self {
        Self(self.0 | Self::only(door).0)
    }

    /// Is the door among them?
    pub const fn contains(self, door: Door) -> bool {
        self.0 & Self::only(door).0 != 0
    }

    /// The doors in the order of [`Door::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Door> {
        Door::ALL.into_iter().filter(move |door| self.contains(*door))
    }
}
