//! Events as they happen: none is missed, none comes twice, whoever writes and whenever a reader comes
//! back; and what readers cost.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Method, Request, StatusCode, header};
use futures_util::StreamExt;
use mailweave::events::{Limits, Refused, Start, Types};
use mailweave::model::{Address, ContactId, Event, EventId, EventType, SubAccountId, Time, Trust};
use mailweave::store::{Holder, Options, Store, StoredContact};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::api::{Api, mail, now};

/// How long a busy machine may take for what needs no time.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open stream, read as a browser's EventSource reads it.
pub struct Stream {
    body: BodyDataStream,
    text: String,
    last_event_id: String,
}

/// What an EventSource dispatches.
#[derive(Debug)]
pub struct Dispatched {
    id: i64,
    pub name: String,
    pub data: Value,
}

impl Stream {
    pub async fn open(api: &Api, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("/api/v1/events{query}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", api.token));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response =
            api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-accel-buffering"], "no", "behind nginx, too");
        let body = response.into_body().into_data_stream();
        let mut stream = Self { body, text: String::new(), last_event_id: String::new() };
        // What it opens with is no event, but tells the position.
        assert!(stream.block().await.is_none());
        assert!(!stream.last_event_id.is_empty());
        stream
    }

    /// The next block; `None` when it dispatches nothing (HTML, 9.2.6).
    async fn block(&mut self) -> Option<Dispatched> {
        let end = loop {
            if let Some(end) = self.text.find("\n\n") {
                break end;
            }
            let bytes = tokio::time::timeout(PATIENCE, self.body.next()).await.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes.unwrap().unwrap()).unwrap());
        };
        let block: String = self.text.drain(..end + 2).collect();
        let (mut name, mut data) = (String::new(), None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.last_event_id = id.to_owned(),
                Some(("event", text)) => name = text.to_owned(),
                Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                _ => {}
            }
        }
        let id = self.last_event_id.parse().unwrap();
        data.map(|data| Dispatched { id, name, data })
    }

    pub async fn next(&mut self, api: &Api) -> Dispatched {
        loop {
            if let Some(event) = self.block().await {
                assert_eq!(event.data["type"], event.name.as_str());
                let schema = json!({"$ref": "#/components/schemas/Event"});
                api.check_json(&schema, &event.data, &event.name);
                return event;
            }
        }
    }

    /// The types of the next events.
    async fn names(&mut self, api: &Api, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.next(api).await.name);
        }
        names
    }
}

/// A second gateway process, on the same database.
async fn other_process(api: &Api) -> Store {
    Store::open(Options::new(&api.url, Holder::Command)).await.unwrap()
}

pub async fn add_contact(store: &Store, of: SubAccountId, email: &str) -> ContactId {
    add_contact_at(store, of, email, now()).await
}

pub async fn add_contact_at(store: &Store, of: SubAccountId, email: &str, at: Time) -> ContactId {
    let id = ContactId(Uuid::now_v7());
    let contact = StoredContact {
        id,
        email: Address::parse(email).unwrap(),
        name: None,
        source: "api".to_owned(),
        external_id: None,
        unsubscribed: false,
        created_at: now(),
    };
    let event = Event {
        id: EventId(Uuid::now_v7()),
        event_type: EventType::ContactCreated,
        object_id: id.0,
        at,
    };
    store.add_contact(of, &contact, event).await.unwrap();
    id
}

#[tokio::test]
async fn tells_the_objects_of_the_api_in_order() {
    for api in Api::both().await {
        let user = api.add_user("ann@acme.example").await;
        let mut stream = Stream::open(&api, "", None).await;
        api.mail_in(&user, &mail("1@x", "Hi", "\nHello"), Trust::Dkim).await;
        api.mail_in(&user, &mail("2@x", "Hi", "\nHello"), Trust::Unverified).await;
        let mut events = Vec::new();
        for _ in 0..4 {
            events.push(stream.next(&api).await);
        }
        let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        for (name, path) in [
            ("contact.created", "/contacts"),
            ("conversation.created", "/conversations"),
            ("message.filed", "/messages"),
            ("verdict.held", "/verdicts"),
        ] {
            let event = events.iter().find(|event| event.name == name).unwrap();
            let id = event.data["data"]["id"].as_str().unwrap();
            let shown = api.get(&format!("{path}/{id}")).await.json;
            for (field, value) in event.data["data"].as_object().unwrap() {
                assert_eq!(&shown[field], value, "{name} {field}");
            }
        }
    }
}

#[tokio::test]
async fn resumes_without_a_gap_while_others_write() {
    const WRITERS: usize = 4;
    const EACH: usize = 100;
    for api in Api::both().await {
        let of = api.sub_account();
        let other = other_process(&api).await;
        let mut stream = Stream::open(&api, "", None).await;
        let write = async |writer: usize| {
            let store = if writer.is_multiple_of(2) { &*api.store } else { &other };
            for n in 0..EACH {
                add_contact(store, of, &format!("{writer}.{n}@x.example")).await;
            }
        };
        let read = async {
            let mut seen = Vec::new();
            while seen.len() < WRITERS * EACH {
                // It hangs up after every few, in the middle of what was sent.
                for _ in 0..7.min(WRITERS * EACH - seen.len()) {
                    let event = stream.next(&api).await;
                    seen.push((event.id, event.data["data"]["email"].to_string()));
                }
                let id = seen.last().unwrap().0.to_string();
                stream = Stream::open(&api, "", Some(&id)).await;
            }
            seen
        };
        let writers = futures_util::future::join_all((0..WRITERS).map(write));
        let (seen, _) = tokio::join!(read, writers);
        assert!(seen.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "in order, none missing");
        let emails: std::collections::BTreeSet<_> = seen.iter().map(|(_, email)| email).collect();
        assert_eq!(emails.len(), WRITERS * EACH, "each once");
    }
}

#[tokio::test]
async fn hears_of_what_another_process_writes() {
    for api in Api::both().await {
        let other = other_process(&api).await;
        let mut stream = Stream::open(&api, "", None).await;
        add_contact(&other, api.sub_account(), "far@x.example").await;
        assert_eq!(stream.next(&api).await.data["data"]["email"], "far@x.example");
    }
}

#[tokio::test]
async fn tells_each_reader_what_it_asked_for() {
    for api in Api::both().await {
        let user = api.add_user("ann@acme.example").await;
        let (_, stranger) = api.add_sub_account("Other").await;
        let mut all = Stream::open(&api, "", None).await;
        let start = all.last_event_id.clone();
        let mut some = Stream::open(&api, "?types=message.filed,verdict.held", None).await;
        api.mail_in(&user, &mail("1@x", "Hi", "\nHello"), Trust::Dkim).await;
        assert_eq!(
            all.names(&api, 3).await,
            ["contact.created", "conversation.created", "message.filed"]
        );
        assert_eq!(some.names(&api, 1).await, ["message.filed"]);
        // From behind, what is held in memory or not.
        let mut later =
            Stream::open(&api, &format!("?after={start}&types=message.filed"), None).await;
        assert_eq!(later.names(&api, 1).await, ["message.filed"]);
        let request = Request::builder()
            .uri(format!("/api/v1/events?after={}", all.last_event_id))
            .header(header::AUTHORIZATION, format!("Bearer {stranger}"));
        let answer = api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.unwrap().status(), StatusCode::GONE, "another's position");
    }
}

#[tokio::test]
async fn what_was_erased_is_told_as_nothing() {
    for api in Api::both().await {
        let of = api.sub_account();
        let first = Stream::open(&api, "", None).await;
        let gone = add_contact(&api.store, of, "gone@x.example").await;
        add_contact(&api.store, of, "here@x.example").await;
        let path = format!("/contacts/{}", gone.0);
        assert_eq!(api.delete(&path).await.status, StatusCode::NO_CONTENT);
        let mut late = Stream::open(&api, "", Some(&first.last_event_id)).await;
        assert_eq!(late.next(&api).await.data["data"]["email"], "here@x.example");
    }
}

#[tokio::test]
async fn refuses_what_it_cannot_keep_its_word_for() {
    for api in Api::both().await {
        add_contact(&api.store, api.sub_account(), "x@x.example").await;
        for (id, status) in [("x", 400), ("-1", 410), ("7", 410), ("1.5", 400)] {
            let headers = [("last-event-id", id)];
            let answer =
                api.send(Method::GET, "/api/v1/events", Some(&api.token), &headers, "").await;
            assert_eq!(answer.status.as_u16(), status, "{id}: {}", answer.json);
        }
        for (query, status) in
            [("?types=", 200), ("?types=contact.gone", 400), ("?after=0", 200), ("?x=1", 400)]
        {
            assert_eq!(
                api.get(&format!("/events{query}")).await.status.as_u16(),
                status,
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn five_hundred_readers_share_one_tail() {
    for api in Api::both().await {
        let of = api.sub_account();
        let mut readers = Vec::new();
        for _ in 0..500 {
            readers.push(Stream::open(&api, "", None).await);
        }
        for n in 0..20 {
            add_contact(&api.store, of, &format!("{n}@x.example")).await;
        }
        for reader in &mut readers {
            for n in 0..20 {
                let event = reader.block().await.unwrap();
                assert_eq!(event.data["data"]["email"], format!("{n}@x.example"));
            }
        }
        assert_eq!(api.events.readers(), 500);
        drop(readers);
        assert_eq!(api.events.readers(), 0);
    }
}

#[tokio::test]
async fn one_sub_account_does_not_take_all_places() {
    for api in Api::both().await {
        let limits = Limits { readers: 3, readers_of_one: 2, ..Limits::default() };
        let hub = mailweave::events::Hub::new(api.store.clone(), limits);
        let other: SubAccountId = api.add_sub_account("Other").await.0.parse().unwrap();
        let read = async |of| hub.read(of, Start::Now, Types::ALL, api.objects()).await;
        let of = api.sub_account();
        let readers = [read(of).await.unwrap(), read(of).await.unwrap()];
        assert!(matches!(read(of).await, Err(Refused::Full)));
        let third = read(other).await.unwrap();
        assert!(matches!(read(other).await, Err(Refused::Full)));
        drop((readers, third));
        assert!(read(of).await.is_ok());
    }
}

#[tokio::test]
async fn a_slow_reader_misses_nothing_and_keeps_nothing_in_memory() {
    for api in Api::both().await {
        let of = api.sub_account();
        // Room for a single event.
        let limits = Limits { tail_bytes: 1, ..Limits::default() };
        let hub = std::sync::Arc::new(mailweave::events::Hub::new(api.store.clone(), limits));
        tokio::spawn(hub.clone().run(tokio_util::sync::CancellationToken::new()));
        let mut slow = hub.read(of, Start::Now, Types::ALL, api.objects()).await.unwrap();
        let mut quick = hub.read(of, Start::Now, Types::ALL, api.objects()).await.unwrap();
        for n in 0..200 {
            add_contact(&api.store, of, &format!("{n}@x.example")).await;
            assert!(quick.next().await.unwrap().unwrap().text.contains(&format!("\"{n}@x")));
        }
        for n in 0..200 {
            assert!(slow.next().await.unwrap().unwrap().text.contains(&format!("\"{n}@x")));
        }
    }
}
