//! An OpenID Connect provider on loopback that signs whatever a test wants signed. The laboratory's is a real
//! one; this one lies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// The application as it is registered there.
pub const CLIENT_ID: &str = "mailweave";

/// It listens as long as the test runs.
pub struct OpenId {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    key: Key,
    discovery: Mutex<Value>,
    keys: Mutex<Value>,
    token: Mutex<Option<String>>,
    asked: Mutex<Vec<String>>,
}

/// A key of its own, with a name.
pub struct Key {
    pair: EcdsaKeyPair,
    id: &'static str,
}

impl Key {
    pub fn new(id: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { pair, id }
    }

    /// As RFC 7517 writes it.
    pub fn public(&self) -> Value {
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(32);
        let text = |number| URL_SAFE_NO_PAD.encode(number);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": text(x), "y": text(y)})
    }

    /// A token of these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"alg": "ES256", "typ": "JWT", "kid": self.id}), claims)
    }

    /// The same with another header.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl OpenId {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let key = Key::new("first");
        let shared = Arc::new(Shared {
            keys: Mutex::new(json!({"keys": [key.public()]})),
            key,
            discovery: Mutex::default(),
            token: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let provider = Self { address, shared };
        provider.describe(&provider.described());
        provider
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a true discovery document says.
    pub fn described(&self) -> Value {
        let issuer = self.issuer();
        json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys")})
    }

    /// From now on the discovery document is this.
    pub fn describe(&self, document: &Value) {
        *self.shared.discovery.lock().unwrap() = document.clone();
    }

    /// From now on these are its keys.
    pub fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        *self.shared.keys.lock().unwrap() = json!({"keys": keys});
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.shared.key
    }

    /// The next code is answered with this ID token.
    pub fn answer(&self, token: String) {
        *self.shared.token.lock().unwrap() = Some(token);
    }

    /// What was asked of it, in order: paths, and the forms of the token endpoint.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

fn note(shared: &Shared, what: &str) {
    shared.asked.lock().unwrap().push(what.to_owned());
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Json<Value> {
    note(&shared, "discovery");
    Json(shared.discovery.lock().unwrap().clone())
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    note(&shared, "keys");
    Json(shared.keys.lock().unwrap().clone())
}

async fn token(State(shared): State<Arc<Shared>>, form: String) -> Response {
    note(&shared, &form);
    match shared.token.lock().unwrap().take() {
        Some(token) => {
            let body = json!({"access_token": "a", "token_type": "Bearer", "id_token": token});
            Json(body).into_response()
        }
        None => (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response(),
    }
}
