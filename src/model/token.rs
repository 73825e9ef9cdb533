//! What a token of the API may be used for.

/// How far a token reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// Everything of the sub-account.
    Write,
    /// Only what changes nothing.
    Read,
}

impl TokenScope {
    /// Its name in the store and in forms.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    /// The scope of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Write, Self::Read].into_iter().find(|scope| scope.name() == name)
    }

    /// May it change something?
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Write)
    }
}
