//! Whose mail a forward forwards (B6): the attached mail, else the first block of header lines in
//! the text. It does not ask whether the mail was meant to be filed; decisions do.

use super::{Email, Forward, Forwarded};

/// What a forward says of the mail that was forwarded.
pub fn find(email: &Email) -> Forward {
    match &email.attached_mail {
        Some(attached) => of_attached(attached),
        None => Forward::None,
    }
}

/// A mail forwarded as an attachment tells everything itself.
fn of_attached(attached: &Email) -> Forward {
    let headers = &attached.headers;
    let Some(from) = headers.from.clone() else {
        return Forward::Unsure(headers.other_authors.clone());
    };
    Forward::Of(Box::new(Forwarded {
        from,
        to: headers.to.clone(),
        cc: headers.cc.clone(),
        subject: headers.subject.clone(),
        date: headers.date,
        message_id: headers.message_id.clone(),
        in_reply_to: headers.in_reply_to.clone(),
        references: headers.references.clone(),
        text: attached.text.clone(),
    }))
}
