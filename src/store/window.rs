//! A window on a list: where it begins and how many items it shows.

use uuid::Uuid;

/// Where an item stands in a list: the time it is ordered by (zero where the id is enough), and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub at: i64,
    pub id: Uuid,
}

/// Which items of a list are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Those behind this one; `None`: from the first.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: i64,
}

impl Window {
    /// The position to start behind in a list that ascends.
    pub fn ascending_start(self) -> Position {
        self.after.unwrap_or(Position { at: i64::MIN, id: Uuid::nil() })
    }

    /// The position to start behind in a list that descends.
    pub(super) fn descending_start(self) -> Position {
        self.after.unwrap_or(Position { at: i64::MAX, id: Uuid::max() })
    }
}

/// A pattern for `like … escape '!'` that finds the text anywhere, and takes nothing in it for a wildcard.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::containing;

    #[test]
    fn takes_wildcards_for_text() {
        assert_eq!(containing("100%_!\\'"), "%100!%!_!!\\'%");
    }
}
