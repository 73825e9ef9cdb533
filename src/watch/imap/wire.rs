//! The connection under an IMAP session: TCP, then TLS at once or after STARTTLS. Up to the greeting and
//! the first capabilities it is read line by line here, so that nothing said in clear survives into TLS.

use tokio::io::AsyncWriteExt;

use super::{Error, Options};
use crate::model::{Host, Security};
use crate::reach::Wire;

/// The longest line before a session begins.
const LINE_BYTES_MAX: usize = 8_192;
/// The most lines of one answer before a session begins.
const LINES_MAX: usize = 50;

/// A connection whose server has greeted, and what it can do.
pub struct Greeted {
    pub wire: Wire,
    pub capabilities: Vec<String>,
}

/// Connects, and goes to TLS as the host says. There is no way back to clear text.
pub async fn connect(options: &Options, host: &Host) -> Result<Greeted, Error> {
    // A command leaves as one piece: waiting for more to send with it would only cost time.
    let tcp = options.reach.connect(host).await?;
    let tls = &options.tls;
    match host.security {
        Security::Tls => {
            let mut wire = Wire::secure(tls, host, tcp).await?;
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
            capabilities(Wire::secure(tls, host, tcp).await?).await
        }
        Security::Plain => {
            let mut wire = Wire::Plain(tcp);
            greet(&mut wire).await?;
            capabilities(wire).await
        }
    }
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
                let is_bad = done.to_ascii_uppercase().starts_with("BAD");
                let (command, text) = (command.to_owned(), done.to_owned());
                return Err(Error::Refused { command, text, is_bad });
            }
            None => lines.push(line),
        }
    }
    Err(Error::Hostile("the server's answer does not end".to_owned()))
}

/// One line, byte by byte, so that nothing behind it is taken.
async fn line(wire: &mut Wire) -> Result<String, Error> {
    let line = wire.line(LINE_BYTES_MAX).await?;
    line.ok_or_else(|| Error::Hostile("the server sends a line that does not end".to_owned()))
}
