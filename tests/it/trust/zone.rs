//! A name server on loopback that answers from a table, or fails in the way a test asks for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, MX, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `SERVFAIL`.
    ServerFailure,
    /// `REFUSED`.
    Refused,
    /// No answer ever.
    Silence,
    /// An answer that is no DNS message.
    Garbage,
}

/// Records by name, and names that fail.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: BTreeMap<String, Vec<RData>>,
    faults: Vec<(String, Fault)>,
}

impl Zone {
    pub fn txt(mut self, name: &str, text: &str) -> Self {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
        self.add(name, RData::TXT(TXT::from_bytes(pieces)));
        self
    }

    pub fn a(mut self, name: &str, address: Ipv4Addr) -> Self {
        self.add(name, RData::A(A(address)));
        self
    }

    pub fn mx(mut self, name: &str, preference: u16, host: &str) -> Self {
        let host = Name::from_ascii(format!("{host}.")).unwrap();
        self.add(name, RData::MX(MX::new(preference, host)));
        self
    }

    /// Questions for names that end so fail.
    pub fn fault(mut self, suffix: &str, fault: Fault) -> Self {
        self.faults.push((suffix.to_owned(), fault));
        self
    }

    fn add(&mut self, name: &str, data: RData) {
        self.records.entry(name.to_owned()).or_default().push(data);
    }

    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let name = query.name().to_lowercase().to_ascii();
        let name = name.trim_end_matches('.');
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        match self.faults.iter().find(|(suffix, _)| name.ends_with(suffix)) {
            Some((_, Fault::Silence)) => return None,
            Some((_, Fault::Garbage)) => return Some(b"garbage".to_vec()),
            Some((_, Fault::ServerFailure)) => {
                answer.metadata.response_code = ResponseCode::ServFail
            }
            Some((_, Fault::Refused)) => answer.metadata.response_code = ResponseCode::Refused,
            None => self.fill(&mut answer, name, query.name(), query.query_type()),
        }
        answer.to_vec().ok()
    }

    fn fill(&self, answer: &mut Message, name: &str, owner: &Name, kind: RecordType) {
        let Some(records) = self.records.get(name) else {
            answer.metadata.response_code = ResponseCode::NXDomain;
            return;
        };
        for data in records.iter().filter(|data| data.record_type() == kind) {
            answer.add_answer(Record::from_rdata(owner.clone(), 60, data.clone()));
        }
    }

    /// Serves the zone until the handle is dropped.
    pub async fn serve(self) -> Server {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let questions = Arc::new(AtomicUsize::new(0));
        let asked = questions.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 4_096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                asked.fetch_add(1, Ordering::SeqCst);
                if let Some(answer) = self.answer(&buffer[..length]) {
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        Server { address, questions, task }
    }
}

/// A zone that is being served.
pub struct Server {
    pub address: SocketAddr,
    questions: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// How many questions have come so far.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address from which our tests' mail comes.
pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 25));
