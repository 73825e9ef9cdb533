//! One side of an SMTP session, without sockets: bytes in, and all that the session says and asks.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use mailweave::model::{Address, Route, Time};
use mailweave::smtp::limits::Limits;
use mailweave::smtp::reply::Starttls;
use mailweave::smtp::session::{Action, Options, Session};
use mailweave::smtp::{Delivery, MailObject, Unavailable};

use crate::judge::{SUB_ACCOUNT, USER};

/// A session and what came out of it so far.
pub struct Dialog {
    session: Session,
    /// Everything that was written to the client.
    pub replies: Vec<u8>,
    /// What was asked of the driver, in order, but for what was set aside: that depends on how content arrives.
    pub asked: Vec<String>,
    pub mails: Vec<MailObject>,
    /// It was closed, or TLS began: what follows is not its business any more.
    pub is_over: bool,
    aside: Vec<u8>,
}

/// Limits so small that short input reaches them.
pub fn small_limits() -> Options {
    let limits = Limits {
        command_bytes: 200,
        recipients: 3,
        errors: 6,
        junk_commands: 6,
        hops: 3,
        mails_per_connection: 4,
        ..Limits::default()
    };
    Options { limits, max_message_bytes: 600, ..ample() }
}

/// Limits that are never reached.
pub fn ample() -> Options {
    Options {
        hostname: "mx.test".to_owned(),
        domains: vec!["bcc.example".to_owned()],
        max_message_bytes: 1 << 30,
        starttls: Starttls::Offered,
        limits: Limits { hops: usize::MAX, memory_bytes: 1 << 30, ..Limits::default() },
    }
}

impl Dialog {
    /// A session whose greeting has been sent.
    pub fn new(options: Options) -> Self {
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let session = Session::new(Arc::new(options), peer);
        let mut dialog = Self {
            session,
            replies: Vec::new(),
            asked: Vec::new(),
            mails: Vec::new(),
            aside: Vec::new(),
            is_over: false,
        };
        dialog.run();
        dialog
    }

    /// The client sends these bytes, in one piece.
    pub fn send(&mut self, bytes: &[u8]) {
        if !self.is_over {
            self.session.handle_bytes(bytes);
            self.run();
        }
    }

    /// The code of the last reply.
    pub fn last_code(&self) -> &[u8] {
        let lines = self.replies.strip_suffix(b"\r\n").unwrap_or(&self.replies);
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or(lines);
        &last[..3]
    }

    fn run(&mut self) {
        loop {
            match self.session.poll(Time::from_micros(1_795_000_000_000_000)) {
                Action::Write(bytes) => self.replies.extend(bytes),
                Action::NeedInput => return,
                Action::SetAside { bytes, behind } => {
                    self.aside.truncate(behind as usize);
                    self.aside.extend(bytes);
                }
                action => self.answer(action),
            }
            if self.is_over {
                return;
            }
        }
    }

    /// A mail with what was set aside of it.
    fn whole(&mut self, action: Action) -> Action {
        let Action::Deliver { mail, aside } = action else { return action };
        let mut content = std::mem::take(&mut self.aside);
        content.truncate(aside as usize);
        content.extend(mail.content);
        Action::Deliver { mail: MailObject { content, ..mail }, aside: 0 }
    }

    fn answer(&mut self, action: Action) {
        let action = self.whole(action);
        self.asked.push(format!("{action:?}"));
        match action {
            Action::AskRecipient(address) => self.session.handle_recipient(route(&address)),
            Action::Deliver { mail, .. } => {
                self.mails.push(mail);
                self.session.handle_delivery(Delivery::Durable);
            }
            Action::Close | Action::StartTls => self.is_over = true,
            _ => {}
        }
    }
}

/// Whose an address is, by its first letter.
fn route(address: &Address) -> Result<Route, Unavailable> {
    match address.local().chars().next() {
        Some('u') => Ok(Route::Unknown),
        Some('x') => Err(Unavailable),
        Some('r') => Ok(Route::Revoked { sub_account: SUB_ACCOUNT, user: Some(USER) }),
        _ => Ok(Route::User { sub_account: SUB_ACCOUNT, user: USER }),
    }
}
