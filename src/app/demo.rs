//! The sample conversation of `mailweave demo`. It comes as mail does: by SMTP, to the smart BCC address.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Who writes, and the mail; `{user}` and `{bcc}` stand for the addresses of the first start.
const MAILS: [(&str, &str); 5] = [
    (
        "{user}",
        "From: You <{user}>\nTo: Ann Arbour <ann@orchard.example>\nSubject: Your order of apple trees\n\
         Message-ID: <offer-1@demo.example>\nDate: Mon, 23 Nov 2026 09:12:00 +0100\n\n\
         Dear Ann,\n\nwe can deliver forty young trees in the first week of December. Shall I reserve them?\n\n\
         Kind regards\n-- \nYou, My company\n",
    ),
    (
        "ann@orchard.example",
        "From: Ann Arbour <ann@orchard.example>\nTo: You <{user}>\nCc: {bcc}\n\
         Subject: Re: Your order of apple trees\nMessage-ID: <answer-1@orchard.example>\n\
         In-Reply-To: <offer-1@demo.example>\nReferences: <offer-1@demo.example>\n\
         Date: Mon, 23 Nov 2026 10:40:00 +0100\n\n\
         Yes, please. Could ten of them be pears?\n\nAnn\n\n\
         On Mon, 23 Nov 2026 at 09:12, You <{user}> wrote:\n> Dear Ann,\n>\n\
         > we can deliver forty young trees in the first week of December.\n",
    ),
    (
        "{user}",
        "From: You <{user}>\nTo: Ann Arbour <ann@orchard.example>\n\
         Subject: Re: Your order of apple trees\nMessage-ID: <offer-2@demo.example>\n\
         In-Reply-To: <answer-1@orchard.example>\n\
         References: <offer-1@demo.example> <answer-1@orchard.example>\n\
         Date: Mon, 23 Nov 2026 11:05:00 +0100\n\n\
         Gladly: thirty apples, ten pears, at the same price.\n",
    ),
    (
        "{user}",
        "From: You <{user}>\nTo: {bcc}\nSubject: Fwd: Beehives\n\
         Message-ID: <forward-1@demo.example>\nDate: Tue, 24 Nov 2026 08:30:00 +0100\n\n\
         A new customer!\n\n---------- Forwarded message ---------\n\
         From: Ben Keeper <ben@honey.example>\nDate: Tue, 24 Nov 2026 at 07:58\nSubject: Beehives\n\
         To: <{user}>\n\nGood morning, do you sell beehives, too?\nBen\n",
    ),
    (
        "shop@tools.example",
        "From: Tool shop <shop@tools.example>\nTo: {bcc}\nSubject: A person nobody knows\n\
         Message-ID: <held-1@tools.example>\nDate: Tue, 24 Nov 2026 09:00:00 +0100\n\n\
         This mail is held: its author is no user. See /activity.\n",
    ),
];

/// Sends the samples to the listener, one after the other.
pub async fn send(smtp: SocketAddr, user: &str, bcc: &str) -> io::Result<()> {
    let mut listener = BufReader::new(TcpStream::connect(smtp).await?);
    answer(&mut listener).await?;
    command(&mut listener, "EHLO demo.localhost").await?;
    for (sender, mail) in MAILS {
        let fill = |text: &str| text.replace("{user}", user).replace("{bcc}", bcc);
        command(&mut listener, &format!("MAIL FROM:<{}>", fill(sender))).await?;
        command(&mut listener, &format!("RCPT TO:<{bcc}>")).await?;
        command(&mut listener, "DATA").await?;
        // No line of the samples begins with a dot.
        let content = fill(mail).replace('\n', "\r\n");
        command(&mut listener, &format!("{content}.")).await?;
    }
    command(&mut listener, "QUIT").await
}

async fn command(listener: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    listener.get_mut().write_all(format!("{text}\r\n").as_bytes()).await?;
    answer(listener).await
}

/// Reads a reply to its last line (RFC 5321 4.2.1).
async fn answer(listener: &mut BufReader<TcpStream>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if listener.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match (line.as_bytes().first(), line.as_bytes().get(3)) {
            (Some(b'2' | b'3'), Some(b'-')) => {}
            (Some(b'2' | b'3'), _) => return Ok(()),
            _ => return Err(io::Error::other(line)),
        }
    }
}
