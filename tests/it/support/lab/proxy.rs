//! What lies between a client and a server: a network that can fall silent, and be listened to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Connections to a server, through a port of its own.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_silent: AtomicBool,
    connections: AtomicUsize,
    open: Mutex<Vec<Open>>,
    asked: Mutex<Vec<u8>>,
    answered: Mutex<Vec<u8>>,
}

/// A connection.
#[derive(Clone)]
struct Open {
    sockets: [Arc<TcpStream>; 2],
    /// Nothing passes any more, and nobody is told.
    is_lost: Arc<AtomicBool>,
}

impl Proxy {
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else {
                    continue;
                };
                of_thread.connect(client, server);
            }
        });
        Self { address, shared }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on nothing passes, as after a NAT forgot the connections: no FIN, no RST. Connections
    /// that are made after [`Proxy::speak`] pass again.
    pub fn fall_silent(&self) {
        self.shared.is_silent.store(true, Ordering::SeqCst);
        for open in locked(&self.shared.open).iter() {
            open.is_lost.store(true, Ordering::SeqCst);
        }
    }

    pub fn speak(&self) {
        self.shared.is_silent.store(false, Ordering::SeqCst);
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        for open in locked(&self.shared.open).drain(..) {
            open.close();
        }
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// What clients have written so far.
    pub fn asked(&self) -> String {
        String::from_utf8_lossy(&locked(&self.shared.asked)).into_owned()
    }

    /// What the server has written so far.
    pub fn answered(&self) -> String {
        String::from_utf8_lossy(&locked(&self.shared.answered)).into_owned()
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("a socket");
        }
        let is_lost = Arc::new(AtomicBool::new(self.is_silent.load(Ordering::SeqCst)));
        let open = Open { sockets: [Arc::new(client), Arc::new(server)], is_lost };
        locked(&self.open).push(open.clone());
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        let back = open.clone();
        thread::spawn(move || open.pass(0, &up.asked));
        thread::spawn(move || back.pass(1, &down.answered));
    }
}

impl Open {
    /// Passes on what one side writes, until it ends.
    fn pass(&self, from: usize, record: &Mutex<Vec<u8>>) {
        let (mut from, mut to) = (&*self.sockets[from], &*self.sockets[1 - from]);
        let mut bytes = [0; 16_384];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if self.is_lost.load(Ordering::SeqCst) {
                continue;
            }
            locked(record).extend(&bytes[..count]);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        if !self.is_lost.load(Ordering::SeqCst) {
            self.close();
        }
    }

    fn close(&self) {
        for socket in &self.sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
