//! What the gateway writes to people: the words of its own mails, and how they are sent.

use crate::model::{Address, Person};
use crate::send::notice::{Error, Notice};
use crate::web::State;
use crate::web::ui::failure::Failure;
use crate::web::ui::{SignedIn, text};

/// What became of a mail that was sent while somebody waits.
pub enum Sent {
    /// The relay took it, in its words.
    Taken(String),
    /// The relay did not, in its words.
    Refused(String),
    /// There is no relay.
    NoRelay,
}

/// To whom, about what.
pub struct Letter<'a> {
    pub to: Person,
    /// The key of its words.
    pub subject: &'a str,
    /// One paragraph after the other.
    pub paragraphs: Vec<String>,
}

/// Sends a letter through the relay of the sub-account of who is signed in.
pub async fn send(
    state: &State,
    signed_in: &SignedIn,
    letter: Letter<'_>,
) -> Result<Sent, Failure> {
    let notice = Notice {
        to: letter.to,
        subject: text::words(letter.subject).to_owned(),
        text: letter.paragraphs.join("\n\n") + "\n",
        time_zone: signed_in.user.time_zone.clone(),
    };
    match state.notices.send(signed_in.sub_account(), notice).await {
        Ok(answer) => Ok(Sent::Taken(answer)),
        Err(Error::Relay(answer)) => Ok(Sent::Refused(answer)),
        Err(Error::NoRelay) => Ok(Sent::NoRelay),
        Err(Error::Store(error)) => Err(error.into()),
    }
}

/// Somebody by address and, where it is known, name.
pub fn person(email: &Address, name: &str) -> Person {
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Person { email: email.clone(), name }
}
