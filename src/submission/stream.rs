//! The stream under lettre: TLS at once, or after a STARTTLS that is done here. What a server says is
//! bounded between two commands, for lettre reads a line to its end however long it is.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{Demand, Error, Options, Reply, one_line};
use crate::model::{Host, Security};
use crate::reach::Wire;

/// The longest line before TLS.
const LINE_BYTES_MAX: usize = 2_048;
/// The most lines of an answer before TLS.
const LINES_MAX: usize = 100;
/// Bytes that a server may say before we say something again. lettre reads an answer anew from its beginning
/// with each line of it: a long one of short lines would take minutes.
const SAID_BYTES_MAX: usize = 16_384;
/// What ends a mail.
const END: &[u8] = b"\r\n.\r\n";
/// lettre begins with a greeting; after STARTTLS there is none (RFC 3207 4.2).
const GREETING: &[u8] = b"220 ready\r\n";

/// A connection on which lettre can begin.
#[derive(Debug)]
pub struct Stream {
    wire: Wire,
    peer: SocketAddr,
    /// What is read before anything of the server's.
    greeting: &'static [u8],
    said: usize,
    mark: Mark,
}

/// Tells whether the end of a mail was given to the wire: a server that is cut off before cannot have the
/// mail (RFC 5321 4.1.1.4).
#[derive(Clone, Debug, Default)]
pub struct Mark(Arc<AtomicBool>);

impl Mark {
    pub fn is_ended(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// lettre writes the end by itself; within the mail no such bytes stand, for its dots are doubled.
    fn note(&self, bytes: &[u8]) {
        if bytes.ends_with(END) {
            self.0.store(true, Ordering::Release);
        }
    }
}

impl Stream {
    fn new(wire: Wire, peer: SocketAddr, greeting: &'static [u8]) -> Self {
        Self { wire, peer, greeting, said: 0, mark: Mark::default() }
    }

    pub fn mark(&self) -> Mark {
        self.mark.clone()
    }
}

/// Connects, and goes to TLS as the host says. There is no way back to clear text.
pub async fn connect(options: &Options, host: &Host, demand: Demand) -> Result<Stream, Error> {
    let tcp = options.reach.connect(host).await?;
    let peer = tcp.peer_addr().map_err(lost)?;
    let (wire, greeting) = match host.security {
        Security::Plain => (Wire::Plain(tcp), &b""[..]),
        Security::Tls => {
            let wire = Wire::secure(&options.tls, host, tcp).await?;
            (wire, &b""[..])
        }
        Security::StartTls => {
            let mut clear = Wire::Plain(tcp);
            if !start_tls(&mut clear, &options.hello, demand).await? {
                return Ok(Stream::new(clear, peer, GREETING));
            }
            let Wire::Plain(tcp) = clear else { return Err(Error::Lost("no stream".to_owned())) };
            // Lines were read byte by byte: had anything been sent behind the 220, it would now stand
            // where the TLS handshake is expected, and fail it.
            let wire = Wire::secure(&options.tls, host, tcp).await?;
            (wire, GREETING)
        }
    };
    Ok(Stream::new(wire, peer, greeting))
}

/// RFC 3207 4: nothing that was said before TLS counts after it. `false`: it is not offered, nor demanded.
async fn start_tls(wire: &mut Wire, hello: &str, demand: Demand) -> Result<bool, Error> {
    accepted(answer(wire).await?)?;
    let offers = accepted(command(wire, &format!("EHLO {hello}")).await?)?;
    let is_offered = offers.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS"));
    if !is_offered && demand == Demand::Nothing {
        return Ok(false);
    }
    if !is_offered {
        return Err(Error::Unsupported("STARTTLS, and a password or token is never sent in clear"));
    }
    accepted(command(wire, "STARTTLS").await?).map(|_| true)
}

async fn command(wire: &mut Wire, command: &str) -> Result<(u16, Vec<String>), Error> {
    wire.write_all(format!("{command}\r\n").as_bytes()).await.map_err(lost)?;
    wire.flush().await.map_err(lost)?;
    answer(wire).await
}

/// RFC 5321 4.2.1: lines of one code, the last with a blank behind it.
async fn answer(wire: &mut Wire) -> Result<(u16, Vec<String>), Error> {
    let hostile = || Error::Hostile("the server's answer cannot be read".to_owned());
    let mut lines = Vec::new();
    while lines.len() < LINES_MAX {
        let line = wire.line(LINE_BYTES_MAX).await.map_err(lost)?.ok_or_else(hostile)?;
        let code = line.get(..3).and_then(|code| code.parse().ok()).ok_or_else(hostile)?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok((code, lines));
        }
    }
    Err(hostile())
}

fn accepted((code, lines): (u16, Vec<String>)) -> Result<Vec<String>, Error> {
    match code / 100 {
        2 => Ok(lines),
        _ => Err(Error::Refused(Reply { code, text: one_line(&lines.join(" ")) })),
    }
}

fn lost(error: io::Error) -> Error {
    Error::Lost(error.to_string())
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let (now, later) = self.greeting.split_at(self.greeting.len().min(buf.remaining()));
            buf.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.wire).poll_read(cx, buf))?;
        self.said += buf.filled().len() - before;
        match self.said > SAID_BYTES_MAX {
            true => Poll::Ready(Err(io::Error::other("the server's answer does not end"))),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.said = 0;
        self.mark.note(bytes);
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
