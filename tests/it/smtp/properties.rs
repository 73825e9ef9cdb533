//! What holds for any bytes and any cut of them.

use std::sync::Arc;

use mailweave::model::{Route, SubAccountId, Time, UserId};
use mailweave::smtp::Delivery;
use mailweave::smtp::session::{Action, Session};
use proptest::prelude::*;
use uuid::Uuid;

use super::dialogs::options;

/// What a client sees and the driver is asked, when `bytes` come in pieces of these sizes in turn.
fn run(bytes: &[u8], sizes: &[usize]) -> (Vec<u8>, Vec<String>) {
    let mut session = Session::new(Arc::new(options()), [192, 0, 2, 1].into());
    let (mut output, mut asks) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    loop {
        match session.poll(Time::default()) {
            Action::Write(bytes) => output.extend(bytes),
            Action::NeedInput if rest.is_empty() => break,
            Action::NeedInput => {
                let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                session.handle_bytes(piece);
                rest = after;
            }
            Action::AskRecipient(address) => {
                asks.push(address.to_string());
                let (sub_account, user) = (SubAccountId(Uuid::nil()), UserId(Uuid::nil()));
                session.handle_recipient(Ok(Route::User { sub_account, user }));
            }
            Action::SetAside { .. } => panic!("no dialog here is so long"),
            Action::Deliver { mail, .. } => {
                asks.push(mail.content.escape_ascii().to_string());
                session.handle_delivery(Delivery::Durable);
            }
            Action::Reject(rejection) => asks.push(format!("{rejection:?}")),
            Action::Note(reply) => asks.push(reply.name.to_owned()),
            // What came in clear behind STARTTLS is forgotten, so only the uncut bytes compare.
            Action::StartTls | Action::Close => break,
        }
    }
    (output, asks)
}

/// Pieces of dialogs and of the shapes that confuse servers, in any order.
fn dialog() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            &b"EHLO c\r\n"[..],
            b"HELO c\r\n",
            b"MAIL FROM:<a@b.org>\r\n",
            b"MAIL FROM:<> SIZE=10\r\n",
            b"RCPT TO:<ann@bcc.example>\r\n",
            b"RCPT TO:<postmaster>\r\n",
            b"DATA\r\n",
            b"BDAT 5\r\n",
            b"BDAT 3 LAST\r\n",
            b"BDAT 0 LAST\r\n",
            b"RSET\r\n",
            b"NOOP\r\n",
            b"STARTTLS\r\n",
            b"QUIT\r\n",
            b"\r\n.\r\n",
            b".\r\n",
            b"\n.\n",
            b"\n.\r\n",
            b"\r.\r",
            b"\r\n..x\r\n",
            b"\r",
            b"\n",
            b".",
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..40),
        (900..1100usize).prop_map(|count| vec![b'x'; count]),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| {
        let begin = b"EHLO c\r\nMAIL FROM:<a@b.org>\r\nRCPT TO:<ann@bcc.example>\r\n";
        [&begin[..], &pieces.concat()].concat()
    })
}

/// RFC 5321 4.5.2, as a client does it.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    [&sent[..], b".\r\n"].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn answers_any_cut_of_the_same_bytes_alike(
        bytes in dialog(),
        sizes in prop::collection::vec(1..50usize, 1..5),
    ) {
        prop_assert_eq!(run(&bytes, &[usize::MAX]), run(&bytes, &sizes));
    }

    #[test]
    fn gives_back_what_the_client_stuffed(
        lines in prop::collection::vec("\\.{0,3}[a-z.\\x00\u{e9} ]{0,20}", 0..30),
        size in 1..100usize,
    ) {
        let content: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let begin = b"EHLO c\r\nMAIL FROM:<a@b.org>\r\nRCPT TO:<ann@bcc.example>\r\nDATA\r\n";
        let sent = [&begin[..], &stuffed(content.as_bytes()), b"NOOP\r\n"].concat();
        let (output, asks) = run(&sent, &[size]);
        if content.len() <= 1000 {
            prop_assert_eq!(asks.last().unwrap(), &content.as_bytes().escape_ascii().to_string());
        }
        prop_assert!(output.ends_with(b"250 2.0.0 OK\r\n"), "out of step");
    }
}
