//! Hostile and broken clients on a real socket. Those on TLS are in `tls`, those on time and numbers in
//! `pressure`.

use std::time::Duration;

use mailweave::model::{Reason, Route};

use super::listener::{ACCEPTED, Running};

#[tokio::test]
async fn takes_one_mail_at_most_whatever_ends_are_smuggled() {
    for shape in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\n",
        "\n.\r",
        "\r.\r\n",
        "\r\n.\r",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\r\n.\r\r\n",
        "\r\n.\r\r\n",
        "\r\n .\r\n",
        "\r\n. \r\n",
        "\x0b.\x0b",
        "\u{85}.\u{85}",
    ] {
        let running = Running::start(|_| {}).await;
        let mut client = running.client().await;
        client.begin_data().await;
        client
            .send(format!("a{shape}MAIL FROM:<x@y.example>\r\nRCPT TO:<user2@bcc.example>\r\n"))
            .await;
        let reply = client.say("DATA\r\nsecond\r\n.").await;
        let what = shape.escape_debug();
        assert!(reply == ACCEPTED || reply.starts_with("550 5.6.11"), "{what}: {reply}");
        client.is_in_step().await;
        assert!(running.count() <= 1, "{what}");
        assert_eq!(running.count(), usize::from(reply == ACCEPTED), "{what}");
    }
}

#[tokio::test]
async fn finds_the_end_when_every_byte_comes_alone() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.stream.set_nodelay(true).unwrap();
    client.begin_data().await;
    for byte in b"a\r\n.\r\n" {
        client.send([*byte]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.reply().await, ACCEPTED);
    client.is_in_step().await;
    assert_eq!(running.only().content, b"a\r\n");
}

#[tokio::test]
async fn takes_doubled_dots_away_once() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    assert_eq!(client.mail("..first\r\n..\r\n..x\r\n...\r\na.").await, ACCEPTED);
    assert_eq!(running.only().content, b".first\r\n.\r\n.x\r\n..\r\na.\r\n");
}

#[tokio::test]
async fn answers_in_order_whoever_speaks_first() {
    let running = Running::start(|_| {}).await;
    let mut client = running.connect([127, 0, 0, 1].into()).await;
    client.send("NOOP\r\nNONSENSE\r\n").await;
    assert!(client.reply().await.starts_with("220"));
    assert_eq!(client.reply().await, "250 2.0.0 OK");
    assert!(client.reply().await.starts_with("500"));
}

#[tokio::test]
async fn ends_a_command_without_end() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    let (mut read, mut write) = client.stream.into_split();
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let _cut_off = write.write_all(b"EHLO ").await;
        for _ in 0..1024 {
            if write.write_all(&[b'x'; 65_536]).await.is_err() {
                return;
            }
        }
    });
    let mut said = Vec::new();
    let _ended = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut said).await;
    assert!(said.starts_with(b"500 5.5.6"), "{}", said.escape_ascii());
    sending.await.unwrap();
    client = running.client().await;
    client.is_in_step().await;
}

#[tokio::test]
async fn takes_commands_of_4096_bytes() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    for (bytes, code) in [(512, "250"), (513, "250"), (4096, "250"), (4097, "500")] {
        let command = format!("NOOP {}", "x".repeat(bytes - "NOOP \r\n".len()));
        assert!(client.say(&command).await.starts_with(code), "{bytes}");
    }
    client.is_in_step().await;
}

#[tokio::test]
async fn takes_lines_of_any_length() {
    for bytes in [998, 999, 2048, 65_536, 10_000_000] {
        let running = Running::start(|_| {}).await;
        let line = vec![b'x'; bytes];
        assert_eq!(running.client().await.mail(&line).await, ACCEPTED, "{bytes}");
        assert_eq!(running.only().content.len(), bytes + 2);
    }
}

#[tokio::test]
async fn keeps_nul_in_mail_and_refuses_it_in_commands() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    assert!(client.say("NOOP \0").await.starts_with("500"));
    client.send(b"MAIL FROM:<\x80\xff@x.example>\r\n").await;
    assert!(client.reply().await.starts_with("501"));
    assert_eq!(client.mail("Subject: a\0b\r\n\r\n\0").await, ACCEPTED);
    assert_eq!(running.only().content, b"Subject: a\0b\r\n\r\n\0\r\n");
}

#[tokio::test]
async fn delivers_to_the_first_of_100_000_recipients() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.begin().await;
    let commands: String =
        (2..100_002).map(|n| format!("RCPT TO:<user{n}@bcc.example>\r\n")).collect();
    let (mut accepted, mut refused) = (1, 0);
    for group in commands.as_bytes().chunks(30_000) {
        client.send(group).await;
        let whole = group.iter().filter(|byte| **byte == b'\n').count();
        for _ in 0..whole {
            match client.reply().await.get(..9) {
                Some("250 2.1.5") => accepted += 1,
                Some("452 4.5.3") => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((accepted, refused), (1000, 99_001));
    assert!(client.say("DATA").await.starts_with("354"));
    assert_eq!(client.say("x\r\n.").await, ACCEPTED);
    assert_eq!(running.only().envelope.recipients.len(), 1000);
}

#[tokio::test]
async fn delivers_once_to_who_is_named_often() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.begin().await;
    client.send("RCPT TO:<USER1@bcc.example>\r\n".repeat(1000)).await;
    for _ in 0..1000 {
        assert!(client.reply().await.starts_with("250 2.1.5"));
    }
    assert!(client.say("DATA").await.starts_with("354"));
    assert_eq!(client.say("x\r\n.").await, ACCEPTED);
    assert_eq!(running.only().envelope.recipients.len(), 1);
}

#[tokio::test]
async fn names_without_end_are_refused_though_they_are_one() {
    let running = Running::start(|options| options.limits.recipients = 100).await;
    let mut client = running.client().await;
    client.begin().await;
    client.send("RCPT TO:<user1@bcc.example>\r\n".repeat(300)).await;
    let mut accepted = 0;
    for _ in 0..300 {
        let reply = client.reply().await;
        accepted += usize::from(reply.starts_with("250 2.1.5"));
        assert!(reply.starts_with("250 2.1.5") || reply.starts_with("452 4.5.3"), "{reply}");
    }
    assert_eq!(accepted, 100);
    assert!(client.say("DATA").await.starts_with("354"));
    assert_eq!(client.say("x\r\n.").await, ACCEPTED);
    assert_eq!(running.only().envelope.recipients.len(), 1);
}

#[tokio::test]
async fn stops_those_who_guess_addresses() {
    let running = Running::limited(|limits| limits.errors = 1000).await;
    let mut client = running.client().await;
    client.begin().await;
    for n in 0..20 {
        let reply = client.say(&format!("RCPT TO:<guess{n}@bcc.example>")).await;
        assert_eq!(reply, "550 5.1.1 No such address here");
    }
    assert!(client.say("RCPT TO:<guess@bcc.example>").await.starts_with("421 4.7.0"));
    client.is_closed().await;
    assert_eq!(running.client().await.mail("known").await, ACCEPTED, "the known are not limited");
    let mut other = running.connect([127, 0, 0, 2].into()).await;
    assert!(other.reply().await.starts_with("220"));
    other.begin().await;
    assert!(other.say("RCPT TO:<guess@bcc.example>").await.starts_with("550"));
}

/// RULES B1.
#[tokio::test]
async fn says_the_same_of_revoked_and_unknown_and_451_of_what_it_cannot_know() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.begin().await;
    let unknown = client.say("RCPT TO:<nobody@bcc.example>").await;
    assert_eq!(client.say("RCPT TO:<revoked@bcc.example>").await, unknown);
    assert!(client.say("RCPT TO:<lost@bcc.example>").await.starts_with("451 4.3.0"));
    assert!(client.say("RCPT TO:<PostMaster>").await.starts_with("250"));
    let rejections = running.receiver.rejections.lock().unwrap();
    assert_eq!(rejections.len(), 1);
    assert_eq!(rejections[0].reason, Reason::UnknownRecipient);
    assert!(matches!(rejections[0].recipients[0].route, Route::Revoked { .. }));
}

#[tokio::test]
async fn relays_nothing() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.begin().await;
    for path in [
        "<u@other.example>",
        "<u%other.example@bcc.example>",
        "<\"u@other.example\"@bcc.example>",
        "<@bcc.example:u@other.example>",
        "<other.example!u@bcc.example>",
        "<u@other.example@bcc.example>",
        "<u@[127.0.0.1]>",
        "<u@mx.example>",
    ] {
        let reply = client.say(&format!("RCPT TO:{path}")).await;
        assert!(reply.starts_with("550 5.7.1") || reply.starts_with("553"), "{path}: {reply}");
    }
    // But whom our own name belongs to can be told of trouble (RFC 5321 4.5.1).
    assert!(client.say("RCPT TO:<Postmaster@MX.example>").await.starts_with("250"));
}

#[tokio::test]
async fn refuses_senders_that_are_no_addresses_and_sizes_that_are_no_numbers() {
    let running = Running::limited(|limits| limits.errors = 100).await;
    let mut client = running.client().await;
    assert!(client.say("EHLO client.example").await.starts_with("250"));
    let long_local = format!("MAIL FROM:<{}@x.example>", "l".repeat(10_000));
    let long_domain = format!("MAIL FROM:<a@{}.example>", "d".repeat(300));
    for (command, code) in [
        ("MAIL FROM:<;for i in 0 1;do id;done;exit 0;>", "553"),
        ("MAIL FROM:<a@b.example>\rRCPT TO:<c@d.example>", "500"),
        ("MAIL FROM:<$(id)@x>", "553"),
        (&long_local, "500"),
        (&long_domain, "553"),
        ("MAIL FROM:<> SIZE=99999999999999999999", "552"),
        ("MAIL FROM:<> SIZE=-1", "501"),
        ("MAIL FROM:<> SIZE=1e9", "501"),
        ("MAIL FROM:<> SIZE=36700161", "552"),
        ("MAIL FROM:<> SIZE=36700160", "250"),
    ] {
        let reply = client.say(command).await;
        assert!(reply.starts_with(code), "{}: {reply}", command.get(..40).unwrap_or(command));
    }
    client.is_in_step().await;
}

#[tokio::test]
async fn reads_what_is_too_large_to_its_end_and_tells_its_recipients() {
    let running = Running::start(|options| options.max_message_bytes = 100_000).await;
    let mut client = running.client().await;
    let mail = [&b"Message-ID: <a@b>\r\n\r\n"[..], &b"x\r\n".repeat(100_000)].concat();
    assert_eq!(client.mail(mail).await, "552 5.3.4 Mail too large");
    client.is_in_step().await;
    assert_eq!(running.count(), 0);
    let rejections = running.receiver.rejections.lock().unwrap();
    assert_eq!(rejections[0].reason, Reason::TooLarge);
    assert!(rejections[0].header.starts_with(b"Message-ID: <a@b>"));
}

#[tokio::test]
async fn counts_the_bytes_of_chunks() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    for bad in ["BDAT -1", "BDAT 99999999999999999999", "BDAT", "BDAT 1 2"] {
        assert!(client.say(bad).await.starts_with("501"), "{bad}");
    }
    assert!(client.say("BDAT 6 LAST\r\nQUIT").await.starts_with("503"));
    client.begin().await;
    assert!(client.say("BDAT 14\r\na\r\n.\r\nRSET\r\n").await.starts_with("250 2.0.0 14"));
    assert!(client.say("DATA").await.starts_with("503"));
    assert_eq!(client.say("BDAT 0 LAST").await, ACCEPTED);
    client.is_in_step().await;
    assert_eq!(running.only().content, b"a\r\n.\r\nRSET\r\n\r\n");
}

#[tokio::test]
async fn ends_a_session_of_errors() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.send("NONSENSE\r\n".repeat(300)).await;
    for _ in 0..20 {
        assert!(client.reply().await.starts_with("500"));
    }
    assert_eq!(client.reply().await, "421 4.7.0 Too many errors");
    client.is_closed().await;
}

#[tokio::test]
async fn takes_no_mail_from_a_browser() {
    for verb in ["POST / HTTP/1.1", "GET / HTTP/1.0", "PUT /x HTTP/1.1"] {
        let running = Running::start(|_| {}).await;
        let mut client = running.client().await;
        client.send(format!("{verb}\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<>\r\n")).await;
        assert!(client.reply().await.starts_with("521"), "{verb}");
        assert_eq!(client.reply().await, "");
    }
}

#[tokio::test]
async fn keeps_nothing_of_a_mail_that_is_cut_off() {
    let running = Running::start(|_| {}).await;
    for cut in ["MAIL FR", "MAIL FROM:<a@b.example>\r\n"] {
        running.client().await.send(cut).await;
    }
    for cut in ["Subject: half", "line\r\n", "line\r\n.", "line\r\n.\r"] {
        let mut client = running.client().await;
        client.begin_data().await;
        client.send(cut).await;
    }
    let mut client = running.client().await;
    client.begin().await;
    client.send("BDAT 100 LAST\r\nhalf").await;
    drop(client);
    assert_eq!(running.client().await.mail("whole").await, ACCEPTED);
    assert_eq!(running.only().content, b"whole\r\n");
}

/// Gone after the dot and before the 250; the mail is there, and the client sends it again.
#[tokio::test]
async fn keeps_a_mail_whose_client_does_not_wait_for_the_answer() {
    let mut running = Running::start(|_| {}).await;
    running.receiver.delay_ms.store(100, std::sync::atomic::Ordering::Relaxed);
    let mut client = running.client().await;
    client.begin_data().await;
    client.send("whole\r\n.\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(client);
    running.end().await;
    assert_eq!(running.only().content, b"whole\r\n");
}

#[tokio::test]
async fn tells_nothing_of_its_addresses_and_takes_no_passwords() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    assert!(!client.say("EHLO client.example").await.contains("AUTH"));
    let known = client.say("VRFY user1@bcc.example").await;
    assert!(known.starts_with("252"));
    assert_eq!(client.say("VRFY nobody@bcc.example").await, known);
    assert!(client.say("EXPN staff").await.starts_with("502"));
    assert!(client.say("AUTH PLAIN AGFubgBzZWNyZXQ=").await.starts_with("502"));
}

#[tokio::test]
async fn takes_bounces() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.send("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<user1@bcc.example>\r\nDATA\r\n").await;
    for code in ["250", "250", "250", "354"] {
        assert!(client.reply().await.starts_with(code));
    }
    assert_eq!(client.say("x\r\n.").await, ACCEPTED);
    assert_eq!(running.only().envelope.reverse_path, None);
}

#[tokio::test]
async fn keeps_odd_names_as_inert_text() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    assert!(client.say("EHLO \x1b[2J").await.starts_with("500"));
    assert!(client.say(&format!("EHLO {}", "x".repeat(10_240))).await.starts_with("500"));
    for name in ["%n%s", "<script>alert(1)</script>"] {
        assert!(client.say(&format!("EHLO {name}")).await.starts_with("250"));
    }
    client.send("MAIL FROM:<>\r\nRCPT TO:<user1@bcc.example>\r\nDATA\r\nx\r\n.\r\n").await;
    for _ in 0..3 {
        client.reply().await;
    }
    assert_eq!(client.reply().await, ACCEPTED);
    assert_eq!(running.only().envelope.helo, "<script>alert(1)</script>");
}

/// LF ends neither a command nor, in DATA, a line.
#[tokio::test]
async fn ends_lines_with_crlf_only() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.send("EHLO x\nMAIL FROM:<a@b.example>\n").await;
    assert!(client.reply().await.starts_with("521"));
    client.is_closed().await;
    assert_eq!(running.client().await.mail("a\nb").await, ACCEPTED);
    assert_eq!(running.only().content, b"a\nb\r\n");
}

#[tokio::test]
async fn ends_loops() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    let mail = |hops: usize| format!("{}\r\nx", "Received: from a by b\r\n".repeat(hops));
    assert_eq!(client.mail(mail(31)).await, ACCEPTED);
    assert_eq!(client.mail(mail(100)).await, ACCEPTED);
    assert!(client.mail(mail(101)).await.starts_with("554 5.4.6"));
    assert_eq!(running.count(), 2);
}

/// What the listener has to do with it; that one message is made of them is the store's.
#[tokio::test]
async fn hands_over_every_mail_once_when_two_send_at_once() {
    let running = Running::start(|_| {}).await;
    let (mut one, mut other) = tokio::join!(running.client(), running.client());
    for _ in 0..100 {
        let mail = "Message-ID: <same@x>\r\n\r\nx";
        let replies = tokio::join!(one.mail(mail), other.mail(mail));
        assert_eq!((replies.0.as_str(), replies.1.as_str()), (ACCEPTED, ACCEPTED));
    }
    assert_eq!(running.count(), 200);
}

#[tokio::test]
async fn answers_the_mail_before_the_quit_behind_it() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    client.begin_data().await;
    client.send("x\r\n.\r\nQUIT\r\n").await;
    assert_eq!(client.reply().await, ACCEPTED);
    assert_eq!(client.reply().await, "221 2.0.0 Goodbye");
    assert_eq!(client.reply().await, "");
    assert_eq!(running.count(), 1);
}
