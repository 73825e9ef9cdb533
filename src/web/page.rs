//! Pages of lists: a limit and an opaque cursor, which is good only for the list it was made for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{Code, Problem};
use crate::model::SubAccountId;
use crate::store::{Position, Window};

/// Items of a page when the client does not say.
const LIMIT_DEFAULT: u32 = 50;
/// Items of a page at most.
const LIMIT_MAX: u32 = 200;
/// Bytes by which a cursor knows its list.
const MARK_LENGTH: usize = 8;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Where the next page begins; null after the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// One list as one client sees it: cursors of another list, other filters or another sub-account do
/// not fit.
pub struct Listing {
    mark: [u8; MARK_LENGTH],
    limit: u32,
    after: Option<Position>,
}

impl Listing {
    /// Opens the list of that name and those filters at the cursor.
    pub fn open(
        sub_account: SubAccountId,
        list: &[&str],
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::invalid("`limit` must be 1 to 200."));
        }
        let mark = mark(sub_account, list);
        let after = cursor.map(|cursor| position(mark, cursor)).transpose()?;
        Ok(Self { mark, limit, after })
    }

    /// What to ask the store for: one more than is shown, to know whether there is more.
    pub const fn window(&self) -> Window {
        Window { after: self.after, limit: self.limit as i64 + 1 }
    }

    /// How many items the page has at most.
    pub const fn limit(&self) -> usize {
        self.limit as usize
    }

    /// The cursor that continues after this position.
    pub fn cursor(&self, position: Position) -> String {
        let at = position.at.to_be_bytes();
        URL_SAFE_NO_PAD.encode([self.mark.as_slice(), &at, position.id.as_bytes()].concat())
    }

    /// The page made of what the store gave.
    pub fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        position: impl Fn(&R) -> Position,
        item: impl FnMut(R) -> T,
    ) -> List<T> {
        let is_more = rows.len() > self.limit();
        rows.truncate(self.limit());
        let last = rows.last().filter(|_| is_more);
        let next_cursor = last.map(|row| self.cursor(position(row)));
        List { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

fn mark(sub_account: SubAccountId, list: &[&str]) -> [u8; MARK_LENGTH] {
    let mut hash = Sha256::new_with_prefix(sub_account.0.as_bytes());
    for part in list {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    *hash.first_chunk().unwrap_or(&[0; MARK_LENGTH])
}

fn position(mark: [u8; MARK_LENGTH], cursor: &str) -> Result<Position, Problem> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let rest = bytes.strip_prefix(mark.as_slice())?;
        let (at, id) = rest.split_first_chunk::<8>()?;
        Some(Position { at: i64::from_be_bytes(*at), id: Uuid::from_slice(id).ok()? })
    };
    read().ok_or_else(|| {
        let detail = "Pass `next_cursor` of the page before, with the same filters, unchanged.";
        Problem::new(Code::InvalidCursor, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let operator = SubAccountId::OPERATOR;
        let other = SubAccountId(Uuid::max());
        let open = |account, list: &[&str], cursor: Option<&str>| {
            Listing::open(account, list, None, cursor).map(|listing| listing.after)
        };
        let position = Position { at: -5, id: Uuid::max() };
        let listing = Listing::open(operator, &["users"], None, None).ok().unwrap();
        let cursor = listing.cursor(position);
        assert_eq!(open(operator, &["users"], Some(&cursor)), Ok(Some(position)));
        assert!(open(operator, &["users", ""], Some(&cursor)).is_err());
        assert!(open(other, &["users"], Some(&cursor)).is_err());
        for bad in ["", "!", &cursor[1..], &format!("{cursor}AAAA")] {
            assert!(open(operator, &["users"], Some(bad)).is_err(), "{bad}");
        }
    }
}
