//! The API as a client sees it, and a client that believes its description and checks it.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use futures_util::StreamExt;
use mailweave::config::Config;
use mailweave::connect::{self, Connector};
use mailweave::decide::{self, Facts, Question, Submission};
use mailweave::events::{self, Hub};
use mailweave::ingest::prepare::Reader;
use mailweave::mail::{Forward, Limits, forward, parse};
use mailweave::model::{
    Door, NewIds, Pepper, SubAccountId, Time, Trust, TrustResults, UserId, VerdictId,
};
use mailweave::oauth::openid::Provider;
use mailweave::perimeter::{self, Perimeter};
use mailweave::reach::Reach;
use mailweave::secrets::Secrets;
use mailweave::send::notice::Notices;
use mailweave::store::{Filing, Holder, Options, RawMail, Store};
use mailweave::{submission, tls, web};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::support::postgres;

const EVENTS: &str = "text/event-stream";
pub const ADMIN: &str = "the operator's own token";

/// A gateway's API over a throw-away store, with one sub-account.
pub struct Api {
    pub router: Router,
    pub store: Arc<Store>,
    pub connector: Connector,
    pub config: Config,
    pub events: Arc<Hub>,
    state: Arc<web::State>,
    /// The database.
    pub url: String,
    pub description: Value,
    /// The sub-account and its token.
    pub id: String,
    pub token: String,
    /// Calls that were made, as method and path of the description.
    pub called: Mutex<BTreeSet<(String, String)>>,
    _directory: Option<tempfile::TempDir>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub json: Value,
}

impl Answer {
    /// The code of a problem.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or("")
    }

    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self, field: &str) -> String {
        self.json[field].as_str().unwrap_or_else(|| panic!("{field} of {}", self.json)).to_owned()
    }

    pub fn items(&self) -> &[Value] {
        self.json["items"].as_array().unwrap()
    }
}

/// Where mail that is to be sent is taken.
fn office(store: &Arc<Store>) -> mailweave::send::flow::Office {
    let secrets = Secrets::new([7; 32]);
    mailweave::send::flow::Office {
        store: Arc::clone(store),
        links: mailweave::send::unsubscribe::Links::new(&secrets),
        secrets,
        reader: Reader {
            bcc_domains: Arc::from(["bcc.example".to_owned()]),
            limits: Limits::default(),
            pepper: Pepper::new([1; 32]),
        },
        public_url: "http://127.0.0.1".to_owned(),
        message_bytes_max: 36_700_160,
    }
}

impl Api {
    /// The API on each database.
    pub async fn both() -> [Self; 2] {
        Self::both_with("").await
    }

    /// The same, with providers in the words of the configuration.
    pub async fn both_with(configuration: &str) -> [Self; 2] {
        let config = Config::parse(configuration, None, []).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/mail.db", directory.path().join("data").display());
        let sqlite = Self::open(&url, Some(directory), config.clone()).await;
        [sqlite, Self::open(&postgres::fresh_database().await, None, config).await]
    }

    async fn open(url: &str, directory: Option<tempfile::TempDir>, config: Config) -> Self {
        let store = Arc::new(Store::open(Options::new(url, Holder::Command)).await.unwrap());
        let connector = connector(&store, &config);
        let events = Arc::new(Hub::new(Arc::clone(&store), events::Limits::default()));
        tokio::spawn(Arc::clone(&events).run(CancellationToken::new()));
        let state = Arc::new(web::State {
            events: Arc::clone(&events),
            running: web::Running { hostname: "mx.example".to_owned(), ..web::Running::default() },
            webhook_client: webhook_client(&["127.0.0.0/8"]),
            connector: connector.clone(),
            secrets: Secrets::new([7; 32]),
            admin_token: ADMIN.into(),
            bcc_domains: vec!["bcc.example".to_owned()],
            public_url: "http://127.0.0.1".to_owned(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            ready: Arc::new(AtomicBool::new(true)),
            reader: Reader {
                bcc_domains: Arc::from(["bcc.example".to_owned()]),
                limits: Limits::default(),
                pepper: Pepper::new([1; 32]),
            },
            raw_reads: web::RawReads::default(),
            office: office(&store),
            bell: mailweave::send::Bell::default(),
            notices: notices(&store),
            store: Arc::clone(&store),
            live: Arc::default(),
            readings: web::ui::Readings::default(),
            doors: web::ui::Doors::new(organisation(&config)),
        });
        let mut api = Self {
            router: web::router(Arc::clone(&state)),
            state,
            url: url.to_owned(),
            store,
            connector,
            config,
            events,
            description: Value::Null,
            id: String::new(),
            token: String::new(),
            called: Mutex::default(),
            _directory: directory,
        };
        api.description = api.send(Method::GET, "/api/v1/openapi.json", None, &[], "").await.json;
        (api.id, api.token) = api.add_sub_account("Acme").await;
        api
    }

    pub async fn add_sub_account(&self, name: &str) -> (String, String) {
        let made = self.call(Method::POST, "/sub-accounts", ADMIN, &json!({"name": name})).await;
        assert_eq!(made.status, StatusCode::CREATED);
        (made.text("id"), made.text("api_token"))
    }

    /// Bulk mail to two people, through a relay that nobody asks; answers its id.
    pub async fn send_bulk(&self, user: &str) -> String {
        let relay = json!({"host": "relay.example", "port": 587, "username": "u", "password": "p",
            "default_from": "news@acme.example", "allowed_domains": ["acme.example"]});
        let set = self.patch("/settings", json!({"sub_account_provider": relay})).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.json);
        let sent = self
            .post(
                "/messages",
                json!({"kind": "bulk", "user_id": user, "subject": "News", "text": "Hello",
                    "to": ["bob@client.example", "eve@client.example"]}),
            )
            .await;
        sent.text("bulk_id")
    }

    pub fn sub_account(&self) -> SubAccountId {
        self.id.parse().unwrap()
    }

    /// How events' objects are told.
    pub fn objects(&self) -> Arc<dyn events::Objects> {
        Arc::<web::State>::clone(&self.state)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &self.token, &Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, &self.token, &body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, &self.token, &body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, &self.token, &Value::Null).await
    }

    /// Calls `/api/v1` and `path`; null is no body.
    pub async fn call(&self, method: Method, path: &str, token: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let json = [("content-type", "application/json")];
        let headers = if body.is_empty() { &json[..0] } else { &json[..] };
        self.send(method, &format!("/api/v1{path}"), Some(token), headers, &body).await
    }

    /// Sends a request as it is, and holds the answer against the description.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(&method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let is_stream = parts.headers.get(header::CONTENT_TYPE).is_some_and(|it| it == EVENTS);
        let bytes = match is_stream {
            // It has no end: what it opens with is enough here.
            true => body.into_data_stream().next().await.unwrap().unwrap(),
            false => axum::body::to_bytes(body, usize::MAX).await.unwrap(),
        };
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let answer = Answer { status: parts.status, headers: parts.headers, bytes, json };
        self.check(&method, path, &answer);
        answer
    }

    /// Is the answer one that the description promises?
    fn check(&self, method: &Method, path: &str, answer: &Answer) {
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert!(answer.header(header::CONTENT_SECURITY_POLICY).contains("frame-ancestors 'none'"));
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        let media_type = answer.header(header::CONTENT_TYPE).split(';').next().unwrap_or("");
        if answer.status.is_client_error() || answer.status.is_server_error() {
            assert_eq!(media_type, "application/problem+json", "{method} {path}");
            assert_eq!(answer.json["status"], answer.status.as_u16());
        }
        let Some((template, operation)) = self.operation(method, path) else { return };
        self.called.lock().unwrap().insert((method.to_string(), template));
        let response = &operation["responses"][answer.status.as_str()];
        assert!(response.is_object(), "{method} {path}: {} is not documented", answer.status);
        let Some(content) = response["content"].as_object() else {
            assert!(answer.bytes.is_empty(), "{method} {path} has a body");
            return;
        };
        let documented = content.get(media_type);
        let documented =
            documented.unwrap_or_else(|| panic!("{method} {path}: {media_type} not documented"));
        if media_type.ends_with("json") {
            self.check_schema(&documented["schema"], answer, &format!("{method} {path}"));
        }
    }

    fn check_schema(&self, schema: &Value, answer: &Answer, call: &str) {
        self.check_json(schema, &answer.json, call);
    }

    /// Is it what the description says of that schema?
    pub fn check_json(&self, schema: &Value, json: &Value, call: &str) {
        let mut schema = schema.clone();
        assert!(schema.as_object().is_some_and(|schema| !schema.is_empty()), "{call}: no schema");
        schema["components"] = self.description["components"].clone();
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap_or_else(|error| panic!("{call}: {error}"));
        let errors: Vec<String> =
            validator.iter_errors(json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{call}: {errors:?} in {json}");
    }

    /// The call of the description that a request is, if it is one.
    fn operation(&self, method: &Method, path: &str) -> Option<(String, &Value)> {
        let path = path.split('?').next().unwrap_or(path);
        let parts: Vec<&str> = path.split('/').collect();
        let paths = self.description["paths"].as_object()?;
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(a, b)| a.starts_with('{') || a == b)
        };
        let (template, item) = paths.iter().find(|(template, _)| fits(template))?;
        let operation = item.get(method.as_str().to_lowercase())?;
        Some((template.clone(), operation))
    }

    /// Files a mail as the smart BCC address of that user would, the sender believed or not.
    pub async fn mail_in(&self, user: &str, raw: &str, trust: Trust) -> VerdictId {
        self.mail_into(self.sub_account(), vec![user.parse().unwrap()], raw, trust).await
    }

    pub async fn mail_into(
        &self,
        of: SubAccountId,
        owners: Vec<UserId>,
        raw: &str,
        trust: Trust,
    ) -> VerdictId {
        let raw = raw.replace('\n', "\r\n").into_bytes();
        let email = Arc::new(parse::read(&raw, &Limits::default()));
        let forward = forward::find(&email);
        let is_forward = matches!(forward, Forward::Of(_));
        let submission = Submission {
            sub_account: of,
            door: Door::Smtp,
            owners,
            trust: TrustResults::without_checks(trust),
            message_id: email.message_id(&raw),
            forward: if is_forward { forward } else { Forward::None },
            bcc_domains: Arc::from(["bcc.example".to_owned()]),
            received_at: now(),
            pepper: Pepper::new([0; 32]),
            again: None,
            found: None,
            sending: None,
            email,
        };
        let questions: [(SubAccountId, Question); 1] = [(of, submission.question())];
        let content = RawMail::pack(&raw);
        let filings = self
            .store
            .file(&questions, |facts: Facts| {
                let mut ids = NewIds::new(now(), Uuid::now_v7().as_u128());
                let decision = decide::ingest(&facts, &submission, &mut ids).unwrap();
                let content = content.clone();
                vec![Filing { decision, content, envelope: None, again: None }]
            })
            .await
            .unwrap();
        filings[0].decision.verdict.id
    }

    pub async fn add_user(&self, email: &str) -> String {
        let made = self.post("/users", json!({"name": "Ann", "email": email})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json);
        made.text("id")
    }
}

/// A provider that can be asked for a consent, as far as its link.
pub const OUTLOOK: &str = "[providers.outlook]\nclient_id = \"app\"\n";

/// Connects mailboxes, wherever their servers are.
pub fn connector(store: &Arc<Store>, config: &Config) -> Connector {
    let options = connect::Options {
        store: Arc::clone(store),
        secrets: Secrets::new([7; 32]),
        providers: config.providers.clone(),
        tls: mailweave::tls::client_config(config.tls.extra_roots.as_deref()).unwrap(),
        reach: Reach::anywhere(),
        hostname: "localhost".to_owned(),
        public_url: "http://127.0.0.1".to_owned(),
    };
    Connector::new(options).unwrap()
}

/// Sends notices through relays on this machine.
fn notices(store: &Arc<Store>) -> Notices {
    let tls = tls::client_config(None).unwrap();
    let relays = submission::Options::new(tls, Reach::anywhere(), "localhost");
    Notices { store: Arc::clone(store), secrets: Secrets::new([7; 32]), relays }
}

/// Who signs people in, by the configuration.
fn organisation(config: &Config) -> Option<Provider> {
    let perimeter = Perimeter::new(&config.allowed_networks, Arc::new(perimeter::System));
    let tls = tls::client_config(config.tls.extra_roots.as_deref()).unwrap();
    let organisation = config.organisation.clone()?;
    Some(Provider::new(organisation, perimeter, &tls).unwrap())
}

/// Sends webhooks to public addresses, and to these networks.
pub fn webhook_client(allowed: &[&str]) -> events::Client {
    let allowed: Vec<_> = allowed.iter().map(|text| text.parse().unwrap()).collect();
    let perimeter = Perimeter::new(&allowed, Arc::new(perimeter::System));
    events::Client::new(perimeter, tls::client_config(None).unwrap()).unwrap()
}

pub fn now() -> Time {
    mailweave::clock::now()
}

/// A mail from Ann to Bob.
pub fn mail(message_id: &str, subject: &str, body: &str) -> String {
    format!(
        "From: Ann <ann@acme.example>\nTo: Bob Stone <bob@client.example>\nSubject: {subject}\nMessage-ID: <{message_id}>\nDate: Tue, 3 Nov 2026 10:00:00 +0000\n{body}"
    )
}
