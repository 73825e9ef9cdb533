//! The listener on a real socket with a stand-in for the gateway, and a client that says anything.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailweave::model::{Address, Route, SubAccountId, UserId};
use mailweave::smtp::driver::{Options, Proxy, serve};
use mailweave::smtp::limits::Limits;
use mailweave::smtp::{Delivery, MailObject, Receiver, Rejection, Unavailable};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes; a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps what it is given.
#[derive(Default)]
pub struct StandIn {
    pub mails: Mutex<Vec<MailObject>>,
    pub rejections: Mutex<Vec<Rejection>>,
    /// How long a delivery takes, in milliseconds.
    pub delay_ms: AtomicU64,
}

impl Receiver for StandIn {
    async fn route(&self, address: &Address) -> Result<Route, Unavailable> {
        let (sub_account, user) = (SubAccountId(Uuid::nil()), UserId(Uuid::nil()));
        match address.local() {
            "lost" => Err(Unavailable),
            "revoked" => Ok(Route::Revoked { sub_account, user: Some(user) }),
            local if local.starts_with("user") => Ok(Route::User { sub_account, user }),
            _ => Ok(Route::Unknown),
        }
    }

    async fn deliver(&self, mail: MailObject) -> Delivery {
        tokio::time::sleep(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))).await;
        self.mails.lock().unwrap().push(mail);
        Delivery::Durable
    }

    async fn reject(&self, rejection: Rejection) {
        self.rejections.lock().unwrap().push(rejection);
    }
}

/// A running listener; it stops when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub receiver: Arc<StandIn>,
    pub stop: CancellationToken,
    pub served: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts one with the defaults changed.
    pub async fn start(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            hostname: "mx.example".to_owned(),
            domains: vec!["bcc.example".to_owned()],
            max_message_bytes: 36_700_160,
            proxy: Proxy::Absent,
            limits: Limits::default(),
            directory: std::env::temp_dir(),
            certificates: None,
        };
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (receiver, stop) = (Arc::new(StandIn::default()), CancellationToken::new());
        let serving = serve(vec![listener], options, Arc::clone(&receiver), stop.clone());
        let served = Some(tokio::spawn(async { serving.await.unwrap() }));
        Self { address, receiver, stop, served }
    }

    /// Starts one with the limits changed.
    pub async fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        Self::start(|options| change(&mut options.limits)).await
    }

    /// A client that has read the greeting.
    pub async fn client(&self) -> Client<TcpStream> {
        let mut client = self.connect([127, 0, 0, 1].into()).await;
        assert_eq!(client.reply().await, "220 mx.example ESMTP Mailweave");
        client
    }

    /// A client at an address of its own that has read nothing.
    pub async fn connect(&self, from: Ipv4Addr) -> Client<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        Client::new(socket.connect(self.address).await.unwrap())
    }

    /// A client that has read the greeting, as soon as there is a place for it.
    pub async fn patient_client(&self) -> Client<TcpStream> {
        for _ in 0..200 {
            let mut client = self.connect([127, 0, 0, 1].into()).await;
            if client.reply().await.starts_with("220") {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("places are not given back");
    }

    /// How many mails arrived.
    pub fn count(&self) -> usize {
        self.receiver.mails.lock().unwrap().len()
    }

    /// The content of the only mail that arrived.
    pub fn only(&self) -> MailObject {
        let mails = self.receiver.mails.lock().unwrap();
        assert_eq!(mails.len(), 1, "mails");
        mails[0].clone()
    }

    /// Stops it and waits for its end.
    pub async fn end(&mut self) {
        self.stop.cancel();
        timeout(PATIENCE, self.served.take().unwrap()).await.expect("does not stop").unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A client.
pub struct Client<S> {
    pub stream: S,
    input: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, input: Vec::new() }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.unwrap().unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends a command and reads the reply.
    pub async fn say(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n")).await;
        self.reply().await
    }

    /// Reads a reply, all lines of it; empty when the connection has ended.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await;
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
            reply.push('\n');
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..end + 2).collect();
                return String::from_utf8(line[..end].to_vec()).unwrap();
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
            if read.expect("no reply").unwrap_or(0) == 0 {
                return String::new();
            }
        }
    }

    /// EHLO, MAIL and RCPT.
    pub async fn begin(&mut self) {
        self.send("EHLO client.example\r\nMAIL FROM:<bob@client.example>\r\n").await;
        self.send("RCPT TO:<user1@bcc.example>\r\n").await;
        assert!(self.reply().await.starts_with("250"));
        assert_eq!(self.reply().await, "250 2.1.0 Sender OK");
        assert_eq!(self.reply().await, "250 2.1.5 Recipient OK");
    }

    /// Everything up to the `354`.
    pub async fn begin_data(&mut self) {
        self.begin().await;
        assert_eq!(self.say("DATA").await, "354 End with <CRLF>.<CRLF>");
    }

    /// A whole mail; the last reply.
    pub async fn mail(&mut self, content: impl AsRef<[u8]>) -> String {
        self.begin_data().await;
        self.send(content).await;
        self.say("\r\n.").await
    }

    /// The session is in step.
    pub async fn is_in_step(&mut self) {
        assert_eq!(self.say("NOOP").await, "250 2.0.0 OK");
    }

    /// The server has ended the connection, whatever it still said.
    pub async fn is_closed(&mut self) {
        while !self.line().await.is_empty() {}
    }
}

pub const ACCEPTED: &str = "250 2.0.0 Kept on stable storage";
