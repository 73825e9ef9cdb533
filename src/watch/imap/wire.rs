//! The connection under an IMAP session: TCP, then TLS at once or after STARTTLS. Up to the greeting and
//! the first capabilities it is read line by line here, so that nothing said in clear survives into TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Error;
use crate::model::{Host, Security};

/// The longest line before a session begins.
const LINE_BYTES_MAX: usize = 8_192;
/// The most lines of one answer before a session begins.
const LINES_MAX: usize = 50;

/// A connection, private or to this machine itself.
pub enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection whose server has greeted, and what it can do.
pub struct Greeted {
    pub wire: Wire,
    pub capabilities: Vec<String>,
}

/// Connects, and goes to TLS as the host says. There is no way back to clear text.
pub async fn connect(tls: &Arc<ClientConfig>, host: &Host) -> Result<Greeted, Error> {
    let tcp = TcpStream::connect(host.dial()).await;
    let tcp = tcp.map_err(|error| Error::Unreachable(format!("{host}: {error}")))?;
    // A command leaves as one piece: waiting for more to send with it only costs time.
    tcp.set_nodelay(true)?;
    match host.security {
        Security::Tls => {
            let mut wire = Wire::Tls(Box::new(handshake(tls, host, tcp).await?));
            greet(&mut wire).await?;
            capabilities(wire).await
        }
        Security::StartTls => {
            let mut clear = Wire::Plain(tcp);
            greet(&mut clear).await?;
            command(&mut clear, "STARTTLS").await?;
            let Wire::Plain(tcp) = clear else { return Err(Error::Lost("no stream".to_owned())) };
            // Lines are read byte by byte: had anything been sent behind the OK, it would now stand where
            // the TLS handshake is expected, and fail it (NO STARTTLS: over 40 servers and clients fell).
            capabilities(Wire::Tls(Box::new(handshake(tls, host, tcp).await?))).await
        }
        Security::Plain => {
            let mut wire = Wire::Plain(tcp);
            greet(&mut wire).await?;
            capabilities(wire).await
        }
    }
}

async fn handshake(
    tls: &Arc<ClientConfig>,
    host: &Host,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let name = ServerName::try_from(host.dial().0.to_owned())
        .map_err(|_| Error::Tls(format!("{} is no name that a certificate can have", host.name)))?;
    let connected = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
    connected.map_err(|error| Error::Tls(format!("{}: {error}", host.name)))
}

/// RFC 3501 7.1: OK greets; PREAUTH would sign us in as nobody knows whom, BYE sends us away.
async fn greet(wire: &mut Wire) -> Result<(), Error> {
    let line = line(wire).await?;
    let upper = line.to_ascii_uppercase();
    if upper.starts_with("* OK") {
        Ok(())
    } else if upper.starts_with("* BYE") {
        Err(Error::Lost(line))
    } else {
        Err(Error::Hostile(format!("the server greets with {line:?}")))
    }
}

async fn capabilities(mut wire: Wire) -> Result<Greeted, Error> {
    let lines = command(&mut wire, "CAPABILITY").await?;
    let named = lines.iter().filter_map(|line| line.strip_prefix("* CAPABILITY "));
    let words = named.flat_map(str::split_whitespace).map(str::to_ascii_uppercase);
    let capabilities = words.collect();
    Ok(Greeted { wire, capabilities })
}

/// The untagged lines of the answer to a command; an error unless it ends with the tagged OK.
async fn command(wire: &mut Wire, command: &str) -> Result<Vec<String>, Error> {
    wire.write_all(format!("W0 {command}\r\n").as_bytes()).await?;
    wire.flush().await?;
    let mut lines = Vec::new();
    while lines.len() < LINES_MAX {
        let line = line(wire).await?;
        match line.strip_prefix("W0 ") {
            Some(done) if done.to_ascii_uppercase().starts_with("OK") => return Ok(lines),
            Some(done) => {
                return Err(Error::Refused { command: command.to_owned(), text: done.to_owned() });
            }
            None => lines.push(line),
        }
    }
    Err(Error::Hostile("the server's answer does not end".to_owned()))
}

/// One line, byte by byte, so that nothing behind it is taken.
async fn line(wire: &mut Wire) -> Result<String, Error> {
    let mut line = Vec::new();
    while line.len() < LINE_BYTES_MAX {
        match wire.read_u8().await? {
            b'\n' => {
                let line = String::from_utf8_lossy(&line).into_owned();
                return Ok(line.trim_end_matches('\r').to_owned());
            }
            byte => line.push(byte),
        }
    }
    Err(Error::Hostile("the server sends a line that does not end".to_owned()))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
