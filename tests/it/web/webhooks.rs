//! Webhooks against receivers on loopback: signed, in order, at least once with the same id, for 24 hours,
//! and no target in the way of another (D7 to D10).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use mailweave::events::Driver;
use mailweave::model::{SubAccountId, Time, Trust, WebhookId};
use mailweave::secrets::Secrets;
use mailweave::store::{NewWebhook, QueueLease};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::api::{ADMIN, Api, mail, now, webhook_client};
use super::events::add_contact;

const HOUR: i64 = 3_600;
/// How long a busy machine may take for what needs no time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a receiver answers to the request that was so many before it.
type Answers = Arc<dyn Fn(usize, &Received) -> Response + Send + Sync>;

/// A CRM that is told of events.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Answers,
}

#[derive(Clone, Debug)]
struct Received {
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn id(&self) -> String {
        self.headers["webhook-id"].to_str().unwrap().to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Receiver {
    async fn start(answers: impl Fn(usize, &Received) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, received: Arc::default(), answers: Arc::new(answers) };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// One that takes everything.
    async fn glad() -> Self {
        Self::start(|_, _| StatusCode::NO_CONTENT.into_response()).await
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn ids(&self) -> Vec<String> {
        self.received().iter().map(Received::id).collect()
    }

    /// Waits for so many requests.
    async fn wait_for(&self, count: usize) {
        let many = async {
            while self.received.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, many).await.unwrap();
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let received = Received { headers, body };
    let mut all = receiver.received.lock().unwrap();
    let answer = (receiver.answers)(all.len(), &received);
    all.push(received);
    answer
}

/// A time that passes when it is told to.
#[derive(Clone)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(now().as_micros())))
    }

    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, time: Time) {
        self.0.store(time.as_micros(), Ordering::Relaxed);
    }

    fn pass(&self, seconds: i64) {
        self.set(self.now().plus_seconds(seconds));
    }
}

fn driver(api: &Api, clock: &Clock) -> Arc<Driver> {
    let clock = clock.clone();
    Arc::new(Driver {
        store: Arc::clone(&api.store),
        objects: api.objects(),
        secrets: Secrets::new([7; 32]),
        client: webhook_client(&["127.0.0.0/8"]),
        clock: Arc::new(move || clock.now()),
    })
}

/// Delivers what is due.
pub async fn deliver(api: &Api) {
    driver(api, &Clock::new()).once().await.unwrap();
}

/// Makes a webhook; answers its id and its secret.
async fn add(api: &Api, url: &str, events: Value) -> (String, String) {
    let made = api.post("/webhooks", json!({"url": url, "events": events})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json);
    (made.text("id"), made.text("secret"))
}

async fn deliveries(api: &Api, id: &str) -> Vec<Value> {
    api.get(&format!("/webhooks/{id}/deliveries?limit=200")).await.items().to_vec()
}

fn states(deliveries: &[Value]) -> BTreeSet<&str> {
    deliveries.iter().map(|delivery| delivery["state"].as_str().unwrap()).collect()
}

async fn add_contacts(api: &Api, count: usize) {
    for n in 0..count {
        add_contact(&api.store, api.sub_account(), &format!("{n}@x.example")).await;
    }
}

#[tokio::test]
async fn delivers_what_the_api_shows_signed_and_in_order() {
    for api in Api::both().await {
        let user = api.add_user("ann@acme.example").await;
        let receiver = Receiver::glad().await;
        let (id, secret) = add(&api, &receiver.url(), json!([])).await;
        assert!(secret.starts_with("whsec_"), "{secret}");
        api.mail_in(&user, &mail("1@x", "Hi", "\nHello"), Trust::Dkim).await;
        api.mail_in(&user, &mail("2@x", "Hi", "\nHello"), Trust::Unverified).await;
        driver(&api, &Clock::new()).once().await.unwrap();

        let received = receiver.received();
        let names: Vec<Value> = received.iter().map(|one| one.json()["type"].clone()).collect();
        let expected = ["contact.created", "conversation.created", "message.filed", "verdict.held"];
        assert_eq!(names, expected);
        let verifier = Webhook::new(&secret).unwrap();
        let schema = json!({"$ref": "#/components/schemas/Event"});
        for one in &received {
            verifier.verify(&one.body, &one.headers).unwrap();
            assert!(verifier.verify(b"{}", &one.headers).is_err());
            assert_eq!(one.headers["content-type"], "application/json");
            api.check_json(&schema, &one.json(), "webhook");
        }
        let message = &received[2].json()["data"];
        let shown = api.get(&format!("/messages/{}", message["id"].as_str().unwrap())).await;
        assert_eq!(message, &shown.json);

        let log = deliveries(&api, &id).await;
        let logged: Vec<&str> = log.iter().rev().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(logged, receiver.ids());
        assert_eq!(states(&log), ["delivered"].into());
        assert!(log.iter().all(|one| one["status"] == 204 && one["attempts"] == 1), "{log:?}");
        let list = api.get("/webhooks").await;
        assert_eq!(
            (&list.items()[0]["pending"], &list.items()[0]["failures"]),
            (&json!(0), &json!(0))
        );
        assert!(!list.bytes.windows(6).any(|part| part == b"whsec_"), "shown once");
    }
}

#[tokio::test]
async fn tells_what_was_asked_for_from_now_on() {
    for api in Api::both().await {
        let user = api.add_user("ann@acme.example").await;
        api.mail_in(&user, &mail("0@x", "Hi", "\nbefore"), Trust::Dkim).await;
        let receiver = Receiver::glad().await;
        add(&api, &receiver.url(), json!(["message.filed", "message.filed"])).await;
        api.mail_in(&user, &mail("1@x", "Hi", "\nafter"), Trust::Dkim).await;
        api.mail_in(&user, &mail("2@x", "Hi", "\nheld"), Trust::Unverified).await;
        driver(&api, &Clock::new()).once().await.unwrap();
        let received = receiver.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].json()["data"]["message_id"], "1@x");
    }
}

#[tokio::test]
async fn a_long_queue_is_worked_off_in_order_by_two_gateways_at_once() {
    for api in Api::both().await {
        let receiver = Receiver::glad().await;
        add(&api, &receiver.url(), json!([])).await;
        add_contacts(&api, 400).await;
        let clock = Clock::new();
        let (one, two) = (driver(&api, &clock), driver(&api, &clock));
        let (one, two) = tokio::join!(one.once(), two.once());
        one.and(two).unwrap();
        let emails: Vec<String> = receiver
            .received()
            .iter()
            .map(|one| one.json()["data"]["email"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<String> = (0..400).map(|n| format!("{n}@x.example")).collect();
        assert_eq!(emails, expected, "each once, in order");
    }
}

#[tokio::test]
async fn a_dead_target_delays_no_other() {
    for api in Api::both().await {
        // It takes connections and never answers.
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", dead.local_addr().unwrap());
        let (dead_id, _) = add(&api, &url, json!([])).await;
        let receiver = Receiver::glad().await;
        add(&api, &receiver.url(), json!([])).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(driver(&api, &Clock::new()).run(stop.clone()));
        add_contacts(&api, 50).await;
        receiver.wait_for(50).await;
        let log = deliveries(&api, &dead_id).await;
        assert!(log.iter().all(|one| one["state"] == "pending"), "{log:?}");
        stop.cancel();
        running.await.unwrap();
        let failed = deliveries(&api, &dead_id).await;
        let errors = failed.iter().filter(|one| one["error"] == "no answer within 10 seconds");
        assert_eq!(errors.count(), 1, "the attempt under way was settled: {failed:?}");
    }
}

#[tokio::test]
async fn attempts_for_24_hours_with_the_same_id_and_ends() {
    for api in Api::both().await {
        let receiver =
            Receiver::start(|_, _| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
        let (id, _) = add(&api, &receiver.url(), json!([])).await;
        let clock = Clock::new();
        let driver = driver(&api, &clock);
        add_contact_at(&api, "x@x.example", clock.now()).await;
        let start = clock.now();
        let mut rounds = 0;
        loop {
            driver.once().await.unwrap();
            let log = deliveries(&api, &id).await;
            let Some(next) = log[0]["next_attempt_at"].as_str() else { break };
            // The log shows milliseconds: a moment later. The target may rest a little longer.
            let next = Time::parse_rfc3339(next).unwrap().as_micros() + 1_000;
            clock.set(Time::from_micros(next.max(clock.now().plus_seconds(60).as_micros())));
            rounds += 1;
            assert!(rounds < 200, "{log:?}");
        }
        let log = deliveries(&api, &id).await;
        assert_eq!((&log[0]["state"], &log[0]["status"]), (&json!("failed"), &json!(500)));
        let attempts = usize::try_from(log[0]["attempts"].as_u64().unwrap()).unwrap();
        assert_eq!(attempts, receiver.received().len());
        assert!((20..40).contains(&attempts), "{attempts}");
        let hours = (clock.now().as_seconds() - start.as_seconds()) / HOUR;
        assert_eq!(hours, 24);
        assert_eq!(receiver.ids().into_iter().collect::<BTreeSet<_>>().len(), 1, "one id");
        let timestamps = receiver.received().into_iter();
        let timestamps: BTreeSet<String> = timestamps
            .map(|one| one.headers["webhook-timestamp"].to_str().unwrap().to_owned())
            .collect();
        assert_eq!(timestamps.len(), attempts, "each attempt is signed anew");
    }
}

async fn add_contact_at(api: &Api, email: &str, at: Time) {
    super::events::add_contact_at(&api.store, api.sub_account(), email, at).await;
}

#[tokio::test]
async fn what_waited_behind_a_dead_target_is_given_up_after_24_hours() {
    for api in Api::both().await {
        let receiver = Receiver::start(|_, _| StatusCode::BAD_GATEWAY.into_response()).await;
        let (id, _) = add(&api, &receiver.url(), json!([])).await;
        let clock = Clock::new();
        let driver = driver(&api, &clock);
        for n in 0..30 {
            add_contact_at(&api, &format!("{n}@x.example"), clock.now()).await;
        }
        for _ in 0..200 {
            driver.once().await.unwrap();
            clock.pass(HOUR / 4);
        }
        let log = deliveries(&api, &id).await;
        assert_eq!((log.len(), states(&log)), (30, ["failed"].into()));
        let attempts = receiver.received().len();
        assert!(attempts < 150, "a dead target is left alone: {attempts} attempts");
        let list = api.get("/webhooks").await;
        assert_eq!(list.items()[0]["pending"], 0);
        assert!(list.items()[0]["failures"].as_u64().unwrap() > 20);
    }
}

#[tokio::test]
async fn what_fails_is_attempted_again_and_holds_up_nothing() {
    for api in Api::both().await {
        // The first event is a stumbling block, twice.
        let first: Mutex<Option<String>> = Mutex::default();
        let receiver = Receiver::start(move |before, one| {
            let mut first = first.lock().unwrap();
            let is_first = *first.get_or_insert_with(|| one.id()) == one.id();
            match is_first && before < 10 {
                true => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
                false => StatusCode::OK.into_response(),
            }
        })
        .await;
        let (id, _) = add(&api, &receiver.url(), json!([])).await;
        let clock = Clock::new();
        let driver = driver(&api, &clock);
        add_contacts(&api, 9).await;
        driver.once().await.unwrap();
        assert_eq!(receiver.received().len(), 9, "those behind it are delivered");
        clock.pass(6);
        driver.once().await.unwrap();
        clock.pass(HOUR);
        driver.once().await.unwrap();
        let ids = receiver.ids();
        assert_eq!((ids.len(), &ids[0], &ids[0]), (11, &ids[9], &ids[10]));
        let log = deliveries(&api, &id).await;
        assert_eq!(states(&log), ["delivered"].into());
        assert_eq!(log.last().unwrap()["attempts"], 3);
    }
}

#[tokio::test]
async fn a_round_that_was_never_settled_is_delivered_again_with_the_same_ids() {
    // D10: the process ends between delivery and mark.
    for api in Api::both().await {
        let receiver = Receiver::glad().await;
        add(&api, &receiver.url(), json!([])).await;
        add_contacts(&api, 3).await;
        let clock = Clock::new();
        let queue = api.store.due_queues(clock.now(), 9).await.unwrap()[0];
        let lease = QueueLease { until: clock.now().plus_seconds(20), follows: None };
        let lost = api.store.take_round(queue, lease, clock.now(), 64).await.unwrap().unwrap();
        assert_eq!(lost.due.len(), 3);
        let driver = driver(&api, &clock);
        driver.once().await.unwrap();
        assert!(receiver.received().is_empty(), "it is in another's hands");
        clock.pass(21);
        driver.once().await.unwrap();
        let ids: Vec<String> = lost.due.iter().map(|due| due.event.id.to_string()).collect();
        assert_eq!(receiver.ids(), ids);
    }
}

#[tokio::test]
async fn sends_again_by_hand_what_was_delivered_and_what_failed() {
    for api in Api::both().await {
        let receiver = Receiver::start(|before, _| match before {
            0 => StatusCode::OK.into_response(),
            1 => StatusCode::GONE.into_response(),
            _ => StatusCode::OK.into_response(),
        })
        .await;
        let (id, secret) = add(&api, &receiver.url(), json!([])).await;
        let clock = Clock::new();
        let driver = driver(&api, &clock);
        add_contacts(&api, 2).await;
        driver.once().await.unwrap();
        for event in receiver.ids() {
            let path = format!("/webhooks/{id}/deliveries/{event}/resend");
            let answer = api.post(&path, Value::Null).await;
            assert_eq!(
                (answer.status, answer.text("state")),
                (StatusCode::ACCEPTED, "pending".to_owned())
            );
        }
        clock.set(now().plus_seconds(1));
        driver.once().await.unwrap();
        let ids = receiver.ids();
        assert_eq!(ids[..2], ids[2..], "the same ids");
        for one in receiver.received() {
            Webhook::new(&secret).unwrap().verify(&one.body, &one.headers).unwrap();
        }
        let log = deliveries(&api, &id).await;
        assert!(log.iter().all(|one| one["state"] == "delivered" && one["attempts"] == 2));
        for (webhook, event) in [(id.as_str(), Uuid::nil().to_string()), ("x", ids[0].clone())] {
            let path = format!("/webhooks/{webhook}/deliveries/{event}/resend");
            assert_eq!(api.post(&path, Value::Null).await.status, StatusCode::NOT_FOUND);
        }
    }
}

#[tokio::test]
async fn what_was_erased_is_not_delivered() {
    for api in Api::both().await {
        let receiver = Receiver::glad().await;
        let (id, _) = add(&api, &receiver.url(), json!([])).await;
        let gone = add_contact(&api.store, api.sub_account(), "gone@x.example").await;
        add_contact(&api.store, api.sub_account(), "here@x.example").await;
        api.delete(&format!("/contacts/{}", gone.0)).await;
        driver(&api, &Clock::new()).once().await.unwrap();
        let received = receiver.received();
        assert_eq!(
            (received.len(), &received[0].json()["data"]["email"]),
            (1, &json!("here@x.example"))
        );
        assert_eq!(states(&deliveries(&api, &id).await), ["delivered", "dropped"].into());
    }
}

#[tokio::test]
async fn a_hostile_receiver_costs_little() {
    // D8: a body without an end, a redirect, a header of a megabyte.
    for api in Api::both().await {
        let receiver = Receiver::start(|before, _| match before {
            0 => {
                let endless = futures_util::stream::repeat_with(|| {
                    Ok::<_, std::io::Error>(vec![b'x'; 65_536])
                });
                Body::from_stream(endless.take(1_000_000)).into_response()
            }
            1 => (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response(),
            2 => (StatusCode::OK, [("x", "x".repeat(1_000_000))]).into_response(),
            _ => StatusCode::OK.into_response(),
        })
        .await;
        let (id, _) = add(&api, &receiver.url(), json!([])).await;
        add_contacts(&api, 4).await;
        driver(&api, &Clock::new()).once().await.unwrap();
        let log = deliveries(&api, &id).await;
        let outcome = |n: usize| (log[3 - n]["state"].clone(), log[3 - n]["status"].clone());
        assert_eq!(outcome(0), (json!("delivered"), json!(200)), "the status says it");
        assert_eq!(outcome(1), (json!("pending"), json!(302)));
        assert_eq!(outcome(2).0, "pending");
        assert_eq!(outcome(3), (json!("delivered"), json!(200)));
        assert_eq!(receiver.received().len(), 4, "nothing was followed");
    }
}

#[tokio::test]
async fn looks_at_the_address_when_it_connects() {
    // D7: a webhook that was made when its name pointed elsewhere.
    for api in Api::both().await {
        let receiver = Receiver::glad().await;
        let port = receiver.address.port();
        let driver = Arc::new(Driver {
            client: webhook_client(&[]),
            ..Arc::into_inner(driver(&api, &Clock::new())).unwrap()
        });
        let urls =
            ["http://localhost:PORT/", "http://127.0.0.1:PORT/", "http://[::ffff:127.0.0.1]:PORT/"];
        for url in urls {
            let id = WebhookId(Uuid::now_v7());
            let place = mailweave::events::secret_place(api.sub_account(), id);
            let secret =
                Secrets::new([7; 32]).seal(&place, b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
            let url = url.replace("PORT", &port.to_string());
            let new = NewWebhook { id, url, types: Vec::new(), secret };
            assert!(api.store.add_webhook(api.sub_account(), new, now()).await.unwrap());
        }
        add_contacts(&api, 1).await;
        driver.once().await.unwrap();
        assert!(receiver.received().is_empty());
        for webhook in api.get("/webhooks").await.items() {
            let log = deliveries(&api, webhook["id"].as_str().unwrap()).await;
            assert!(log[0]["error"].as_str().unwrap().contains("public address"), "{log:?}");
        }
    }
}

#[tokio::test]
async fn webhooks_are_listed_in_pages() {
    for api in Api::both().await {
        let mut made = Vec::new();
        for number in 0..3 {
            let url = format!("https://hooks.example/{number}");
            made.push(add(&api, &url, json!(["message.filed"])).await.0);
        }
        let first = api.get("/webhooks?limit=2").await;
        let cursor = first.text("next_cursor");
        let rest = api.get(&format!("/webhooks?cursor={cursor}")).await;
        let ids = [first.items(), rest.items()].concat();
        let ids: Vec<&str> = ids.iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(ids, made);
        assert_eq!(rest.json["next_cursor"], json!(null));
        assert_eq!(api.get("/webhooks?limit=0").await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn refuses_bad_webhooks_in_words() {
    for api in Api::both().await {
        for url in [
            "http://10.0.0.1/",
            "http://[::1]/",
            "http://169.254.169.254/",
            "http://0/",
            "file:///etc/passwd",
            "gopher://1.1.1.1/",
            "https://a:b@1.1.1.1/",
            "http://1.1.1.1:25/",
            "x",
        ] {
            let answer = api.post("/webhooks", json!({"url": url})).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_value"), "{url}");
        }
        let unknown = json!({"url": "https://1.1.1.1/", "events": ["message.eaten"]});
        assert_eq!(api.post("/webhooks", unknown).await.status.as_u16(), 422);
        for _ in 0..20 {
            add(&api, "https://1.1.1.1/", json!([])).await;
        }
        let one_more = api.post("/webhooks", json!({"url": "https://1.1.1.1/"})).await;
        assert_eq!((one_more.status.as_u16(), one_more.code()), (409, "too_many_webhooks"));
        let first = api.get("/webhooks").await.items()[0]["id"].as_str().unwrap().to_owned();
        let (_, stranger) = api.add_sub_account("Other").await;
        let path = format!("/webhooks/{first}");
        for token in [&stranger, ADMIN] {
            let answer = api.call(Method::DELETE, &path, token, &Value::Null).await;
            assert!(answer.status.is_client_error());
            let log = format!("{path}/deliveries");
            assert!(
                api.call(Method::GET, &log, token, &Value::Null).await.status.is_client_error()
            );
        }
        assert_eq!(api.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(api.delete(&path).await.status, StatusCode::NOT_FOUND);
        add(&api, "https://1.1.1.1/", json!([])).await;
    }
}

#[tokio::test]
async fn forgets_old_deliveries_and_keeps_what_waits() {
    for api in Api::both().await {
        let receiver = Receiver::start(|before, _| match before {
            0 => StatusCode::OK.into_response(),
            _ => StatusCode::BAD_GATEWAY.into_response(),
        })
        .await;
        let (id, _) = add(&api, &receiver.url(), json!([])).await;
        add_contacts(&api, 2).await;
        driver(&api, &Clock::new()).once().await.unwrap();
        api.store.expire_deliveries(now().plus_seconds(-HOUR)).await.unwrap();
        assert_eq!(deliveries(&api, &id).await.len(), 2);
        api.store.expire_deliveries(now().plus_seconds(HOUR)).await.unwrap();
        assert_eq!(states(&deliveries(&api, &id).await), ["pending"].into());
        assert_eq!(api.store.waiting_deliveries().await.unwrap(), 1);
        let gone: SubAccountId = api.sub_account();
        assert!(api.store.erase_sub_account(gone).await.unwrap());
        assert_eq!(api.store.waiting_deliveries().await.unwrap(), 0);
    }
}
