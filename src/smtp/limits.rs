//! Every limit of the listener with its default, in one place (`[smtp.limits]`). The greatest size of a
//! mail is an option of its own, `smtp.max_message_bytes`.

use serde::{Deserialize, Serialize};

/// The limits of the listener. The defaults are those of Postfix and mox where they have one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once; from three quarters of them on, waiting times shrink to `overload_seconds`.
    pub connections: u32,
    /// Connections at once from one address (IPv6: one /64).
    pub connections_per_ip: u32,
    /// Unknown recipients in a minute from one address (IPv6: one /64); none of the known are counted.
    pub unknown_recipients_per_ip_per_minute: u32,
    /// Bytes of a command with its CRLF (RFC 5321 4.5.3.1.4 asks for 512, its extensions for more).
    pub command_bytes: usize,
    /// Recipients of a mail (RFC 5321 4.5.3.1.8 asks for 100).
    pub recipients: usize,
    /// Refused commands of a connection since its last mail.
    pub errors: u32,
    /// Commands that bring no mail nearer (NOOP, RSET, VRFY, HELP) since the connection's last mail;
    /// those beyond count as errors.
    pub junk_commands: u32,
    /// `Received` fields of a mail (RFC 5321 6.3: more are a loop).
    pub hops: usize,
    /// Mails of a sub-account in a minute, by any connection; those beyond are asked to come later, so
    /// that one runaway rule does not fill the store. 0: no limit.
    pub mails_per_sub_account_per_minute: u32,
    /// Contacts that mail of a sub-account makes in a minute; beyond, its mail is asked to come later.
    /// 0: no limit.
    pub contacts_per_sub_account_per_minute: u32,
    /// Mails of a connection.
    pub mails_per_connection: u32,
    /// Seconds from one command to the end of the next (RFC 5321 4.5.3.2.7).
    pub command_seconds: u64,
    /// Seconds that stand for `command_seconds` and `data_grace_seconds` while connections run out.
    pub overload_seconds: u64,
    /// Seconds that a connection may last without a mail being accepted.
    pub session_seconds: u64,
    /// Seconds for a TLS handshake.
    pub handshake_seconds: u64,
    /// Seconds for the PROXY header.
    pub proxy_seconds: u64,
    /// Seconds that a client may take to read its replies.
    pub write_seconds: u64,
    /// Seconds for the content of one mail.
    pub data_seconds: u64,
    /// Seconds of content before `data_bytes_per_second` is asked for.
    pub data_grace_seconds: u64,
    /// Bytes of content a second, on average, that a client must send.
    pub data_bytes_per_second: u64,
    /// Bytes in memory at once of all mails above 128 KiB that have come to their end; the others wait.
    pub memory_bytes: u64,
    /// Seconds that a mail waits for its share of `memory_bytes`.
    pub memory_wait_seconds: u64,
    /// Seconds for the look-up of a recipient.
    pub lookup_seconds: u64,
    /// Seconds for a mail to become durable.
    pub delivery_seconds: u64,
    /// Seconds in which mails under way may end when the gateway stops.
    pub stop_seconds: u64,
}

impl Limits {
    /// The first limit that is 0 and would refuse everybody. Of unknown recipients none may be allowed,
    /// a grace of none is strict, and mails and contacts of a sub-account may have no limit.
    pub fn zero(&self) -> Option<&'static str> {
        let limits = [
            ("connections", u64::from(self.connections)),
            ("connections_per_ip", u64::from(self.connections_per_ip)),
            ("command_bytes", self.command_bytes as u64),
            ("recipients", self.recipients as u64),
            ("errors", u64::from(self.errors)),
            ("hops", self.hops as u64),
            ("mails_per_connection", u64::from(self.mails_per_connection)),
            ("command_seconds", self.command_seconds),
            ("overload_seconds", self.overload_seconds),
            ("session_seconds", self.session_seconds),
            ("handshake_seconds", self.handshake_seconds),
            ("proxy_seconds", self.proxy_seconds),
            ("write_seconds", self.write_seconds),
            ("data_seconds", self.data_seconds),
            ("memory_bytes", self.memory_bytes),
            ("lookup_seconds", self.lookup_seconds),
            ("delivery_seconds", self.delivery_seconds),
        ];
        limits.into_iter().find(|(_, limit)| *limit == 0).map(|(name, _)| name)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_per_ip: 250,
            unknown_recipients_per_ip_per_minute: 20,
            command_bytes: 4096,
            recipients: 1000,
            errors: 20,
            junk_commands: 100,
            hops: 100,
            mails_per_sub_account_per_minute: 600_000,
            contacts_per_sub_account_per_minute: 600_000,
            mails_per_connection: 1_000_000,
            command_seconds: 300,
            overload_seconds: 10,
            session_seconds: 3600,
            handshake_seconds: 30,
            proxy_seconds: 5,
            write_seconds: 60,
            data_seconds: 1800,
            data_grace_seconds: 180,
            data_bytes_per_second: 500,
            memory_bytes: 67_108_864,
            memory_wait_seconds: 120,
            lookup_seconds: 30,
            delivery_seconds: 300,
            stop_seconds: 30,
        }
    }
}
