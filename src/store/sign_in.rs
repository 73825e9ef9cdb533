//! Links that sign a user in once.

use uuid::Uuid;

use crate::model::{SubAccountId, Time, UserId};

use super::messages::known;
use super::value::values;
use super::{Result, Store};

statements! {
    ADD_LINK = "insert into sign_in_links (sub_account, hash, user_id, purpose, expires_at)
        values ($1, $2, $3, $4, $5)";
    TAKE_LINK = "delete from sign_in_links where hash = $1
        returning sub_account, user_id, purpose, expires_at";
    REMOVE_LINKS_OF = "delete from sign_in_links
        where sub_account = $1 and user_id = $2 and purpose = $3";
    LINKS_OF = "select user_id, expires_at from sign_in_links
        where sub_account = $1 and purpose = $2 order by expires_at limit 1000";
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The operator's first: it also shows a token of the API.
    FirstStart,
    /// Back in after a lost password.
    SignIn,
    /// A new user.
    Invitation,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::FirstStart, Self::SignIn, Self::Invitation];

    const fn name(self) -> &'static str {
        match self {
            Self::FirstStart => "first_start",
            Self::SignIn => "sign_in",
            Self::Invitation => "invitation",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// A link that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub sub_account: SubAccountId,
    pub user: UserId,
    pub purpose: Purpose,
}

impl Store {
    /// Keeps the hash of a link's code. A new link of that purpose takes the place of the former.
    pub async fn add_sign_in_link(
        &self,
        link: Link,
        hash: [u8; 32],
        expires_at: Time,
    ) -> Result<()> {
        let Link { sub_account, user, purpose } = link;
        let mut tx = self.writer().await?;
        tx.execute(REMOVE_LINKS_OF, values![sub_account, user, purpose.name()]).await?;
        let values = values![sub_account, hash, user, purpose.name(), expires_at];
        tx.execute(ADD_LINK, values).await?;
        tx.commit().await
    }

    /// Uses a link up: whom it signs in, if it is still good.
    pub async fn take_sign_in_link(&self, hash: [u8; 32], now: Time) -> Result<Option<Link>> {
        let mut tx = self.writer().await?;
        let row: Option<(Uuid, Uuid, String, i64)> = tx.optional(TAKE_LINK, values![hash]).await?;
        tx.commit().await?;
        let Some((sub_account, user, purpose, expires_at)) = row else { return Ok(None) };
        let link = Link {
            sub_account: SubAccountId(sub_account),
            user: UserId(user),
            purpose: known(Purpose::parse(&purpose), &purpose)?,
        };
        Ok((expires_at > now.as_micros()).then_some(link))
    }

    /// Whose links of that purpose are still to be used, and until when.
    pub async fn sign_in_links(
        &self,
        of: SubAccountId,
        purpose: Purpose,
    ) -> Result<Vec<(UserId, Time)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, i64)> = tx.all(LINKS_OF, values![of, purpose.name()]).await?;
        Ok(rows.into_iter().map(|(user, at)| (UserId(user), Time::from_micros(at))).collect())
    }
}
