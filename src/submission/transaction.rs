//! One mail, by SMTP (RFC 5321 3.3): from whom, to whom, and the mail. Each recipient is asked for alone,
//! so that one who is refused keeps the mail from nobody else; and between `DATA` and the end of the mail
//! there is a pause, in which the sender says durably that the server may have it.

use std::time::Duration;

use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use super::{Connection, Error, Reply, one_line};
use crate::model::Address;
use crate::model::outgoing::{DeliveryState, Route};

/// RFC 5321 4.5.3.2.6: a server may take ten minutes to answer the end of a mail.
const END_TIME: Duration = Duration::from_secs(600);

/// For the words of a server that has broken off: they have come already, or never will.
const LAST_WORDS_TIME: Duration = Duration::from_secs(5);

/// What the server made of the end of a mail.
#[derive(Debug)]
pub enum Ending {
    Accepted(Reply),
    Refused(Reply),
    /// Cut off before the end of the mail was written: it does not have it.
    Lost(String),
    /// Cut off, silent, or answered with what is not SMTP: it may have the mail or not.
    Unknown,
}

impl Connection {
    /// Says from whom and to whom, up to the server's `354`. What became of each recipient who is
    /// waiting is noted in the route; an error if none was taken, which passes if one may be taken later.
    pub async fn offer(&mut self, route: &mut Route, content: &[u8]) -> Result<(), Error> {
        let parameters = self.parameters(route, content)?;
        self.command(Mail::new(Some(mailbox(&route.from)?), parameters)).await?;
        let mut refusal: Option<Reply> = None;
        let mut is_taken = false;
        for delivery in &mut route.recipients {
            if delivery.state != DeliveryState::Waiting {
                continue;
            }
            let command = Rcpt::new(mailbox(&delivery.address)?, Vec::new());
            match self.command(command).await {
                Ok(_) => {
                    is_taken = true;
                    delivery.state = DeliveryState::Accepted;
                }
                Err(Error::Refused(reply)) => {
                    if !reply.is_transient() {
                        delivery.state = DeliveryState::Refused;
                    }
                    delivery.reply = Some(reply.to_string());
                    if !refusal.as_ref().is_some_and(Reply::is_transient) {
                        refusal = Some(reply);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if !is_taken {
            let nobody = || Reply { code: 451, text: "nobody is left to send it to".to_owned() };
            return Err(Error::Refused(refusal.unwrap_or_else(nobody)));
        }
        self.command(Data).await.map(drop)
    }

    /// RFC 6531 and RFC 6152: what is not ASCII is sent only to a server that takes it.
    fn parameters(&self, route: &Route, content: &[u8]) -> Result<Vec<MailParameter>, Error> {
        let mut parameters = Vec::new();
        let mut addresses = std::iter::once(&route.from).chain(route.waiting());
        if !addresses.all(|address| address.normal().is_ascii()) {
            if !self.server().supports_feature(Extension::SmtpUtfEight) {
                let text = "The server takes no addresses beyond ASCII (SMTPUTF8)".to_owned();
                return Err(Error::Refused(Reply { code: 553, text }));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !content.is_ascii() && self.server().supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// Writes the mail and its end, and closes. Only after [`Self::offer`], and after the caller has said
    /// durably that the server may have it.
    pub async fn hand_over(mut self, content: &[u8]) -> Ending {
        // The line end before the final dot is written with it (RFC 5321 4.1.1.4).
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        let answer = timeout(END_TIME, self.smtp.message(content)).await;
        match answer {
            Ok(Ok(response)) if u16::from(response.code()) / 100 == 2 => {
                let lines: Vec<&str> = response.message().collect();
                let text = one_line(&lines.join(" "));
                let code = response.code().into();
                drop(tokio::spawn(self.quit()));
                Ending::Accepted(Reply { code, text })
            }
            Ok(Err(error)) => match Error::from(error) {
                Error::Refused(reply) => Ending::Refused(reply),
                error if !self.mark.is_ended() => self.cut_off(&error).await,
                _ => Ending::Unknown,
            },
            Err(_) if !self.mark.is_ended() => {
                Ending::Lost("it could not be written in time".to_owned())
            }
            Ok(Ok(_)) | Err(_) => Ending::Unknown,
        }
    }

    /// A server that breaks off in the midst of a mail has often said why (552, a mail too large).
    async fn cut_off(&mut self, error: &Error) -> Ending {
        match timeout(LAST_WORDS_TIME, self.smtp.read_response()).await {
            Ok(Err(said)) => match Error::from(said) {
                Error::Refused(reply) => Ending::Refused(reply),
                _ => Ending::Lost(error.to_string()),
            },
            // What is said to a mail without an end is no yes.
            Ok(Ok(_)) | Err(_) => Ending::Lost(error.to_string()),
        }
    }
}

fn mailbox(address: &Address) -> Result<lettre::Address, Error> {
    let unfit = || Reply { code: 553, text: format!("{address} cannot be written in SMTP") };
    address.on_the_wire().parse().map_err(|_| Error::Refused(unfit()))
}
