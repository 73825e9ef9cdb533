//! The socket of a connection, in clear or inside TLS.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// What bytes come from and go to.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Between the two, and when the handshake failed.
    Closed,
}

/// What is still read after the end, so that our last reply is not lost by a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 262_144;
const LINGER_BUFFER: usize = 4_096;

impl Stream {
    /// Reads what is there, into the room that `buffer` has; 0 bytes are the end.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
            Self::Closed => Ok(0),
        }
    }

    /// Sends all of it.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
            Self::Closed => Ok(()),
        }
    }

    /// Ends our side and reads what is still coming: a socket closed with bytes unread resets the
    /// connection, and the client may never see why it was closed.
    pub async fn linger(&mut self) {
        let _ignored = timeout(LINGER, self.drain()).await;
    }

    async fn drain(&mut self) -> io::Result<()> {
        self.shutdown().await?;
        let mut left = LINGER_BYTES;
        let mut buffer = Vec::with_capacity(LINGER_BUFFER);
        while left > 0 {
            buffer.clear();
            match self.read(&mut buffer).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }
}
