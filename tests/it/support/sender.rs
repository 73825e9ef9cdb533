//! A mail server that sends, as far as the tests need one: blocking, one socket, every reply waited for.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A session with a listener, after EHLO.
pub struct Sender {
    socket: BufReader<TcpStream>,
}

/// A reply: its code, and its lines.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub text: String,
}

impl Sender {
    /// Connects and greets.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        socket.set_write_timeout(Some(Duration::from_secs(60)))?;
        let mut sender = Self { socket: BufReader::new(socket) };
        sender.reply()?.wanted(220)?;
        sender.command("EHLO sender.test")?.wanted(250)?;
        Ok(sender)
    }

    /// Sends one command and waits for the reply.
    pub fn command(&mut self, line: &str) -> Result<Reply> {
        self.socket.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends one mail; the reply that decided: the first refusal, or the one after the final dot.
    pub fn send(&mut self, from: &str, to: &str, content: &[u8]) -> Result<Reply> {
        for line in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>"), "DATA".to_owned()] {
            let reply = self.command(&line)?;
            if reply.code >= 400 {
                self.command("RSET")?;
                return Ok(reply);
            }
        }
        self.socket.get_mut().write_all(&stuffed(content))?;
        self.reply()
    }

    pub fn reply(&mut self) -> Result<Reply> {
        let mut text = String::new();
        loop {
            let start = text.len();
            if self.socket.read_line(&mut text)? == 0 {
                return Err(Error::other("the listener closed the connection"));
            }
            let line = &text[start..];
            if line.as_bytes().get(3) != Some(&b'-') {
                let code = line.get(..3).and_then(|code| code.parse().ok());
                let code = code.ok_or_else(|| Error::other(format!("no reply: {line:?}")))?;
                return Ok(Reply { code, text });
            }
        }
    }
}

impl Reply {
    fn wanted(self, code: u16) -> Result<Self> {
        if self.code == code { Ok(self) } else { Err(Error::other(self.text)) }
    }
}

/// The content as DATA carries it. RFC 5321 4.5.2: a leading dot is doubled, a lone dot ends it.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 64);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
    }
    if !bytes.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}
