//! A web server that pages of a test are put on, and that notes whatever else is asked of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// It listens as long as the test runs.
pub struct Trap {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<BTreeMap<String, (String, Option<String>)>>,
    caught: Mutex<Vec<String>>,
}

impl Trap {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// Its name and port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn address(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Puts a page there, with a policy.
    pub fn serve(&self, path: &str, html: &str, policy: Option<&str>) {
        let page = (html.to_owned(), policy.map(str::to_owned));
        self.shared.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// What was asked for that should not have been.
    pub fn caught(&self) -> Vec<String> {
        self.shared.caught.lock().unwrap().clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let page = shared.pages.lock().unwrap().get(&path).cloned();
    let Some((html, policy)) = page else {
        if path.starts_with("/caught") {
            shared.caught.lock().unwrap().push(path);
        }
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut answer = Html(format!("<!doctype html><meta charset=utf-8>{html}")).into_response();
    if let Some(policy) = policy {
        let policy = HeaderValue::from_str(&policy).unwrap();
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer
}
