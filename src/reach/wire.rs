//! A connection to a server: TCP, and TLS over it. Before a protocol begins it is read line by line, so that
//! nothing said in clear survives into TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Error, untrusted};
use crate::model::Host;

/// A connection, private or to this machine itself.
#[derive(Debug)]
pub enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Goes to TLS; the certificate must be the host's.
    pub async fn secure(
        tls: &Arc<ClientConfig>,
        host: &Host,
        tcp: TcpStream,
    ) -> Result<Self, Error> {
        let nameless = |_| format!("{} is no name that a certificate can have", host.name);
        let name =
            ServerName::try_from(host.dial().0.to_owned()).map_err(nameless).map_err(Error::Tls)?;
        let connected = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        let stream = connected.map_err(|error| {
            if untrusted::is_cut(&error) {
                let words = format!("{}: it hung up before TLS had begun ({error})", host.name);
                return Error::Unreachable(words);
            }
            Error::Tls(format!("{}: {}", host.name, untrusted::in_words(&error)))
        })?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// One line, read byte by byte, so that nothing behind it is taken. `None`: it does not end.
    pub async fn line(&mut self, bytes_max: usize) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        while line.len() < bytes_max {
            match self.read_u8().await? {
                b'\n' => {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    return Ok(Some(line.trim_end_matches('\r').to_owned()));
                }
                byte => line.push(byte),
            }
        }
        Ok(None)
    }
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
