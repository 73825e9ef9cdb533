//! Finding messages by their words, and what is new to whom (C19, B25).

use mailweave::ingest::index;
use mailweave::model::words::Query;
use mailweave::store::{Inbox, Window};
use tokio_util::sync::CancellationToken;

use super::*;

fn mail(contact: &'static str, id: &str, subject: &str, text: &str) -> Sample {
    Sample {
        content: format!(
            "From: Ann <ann@acme.example>\r\nTo: {contact}\r\nSubject: {subject}\r\n\
             Message-ID: <{id}>\r\n\r\n{text}\r\n"
        ),
        ..sample(contact, id)
    }
}

/// The ids of the mails that are found, the latest first.
async fn found(store: &Store, user: Option<UserId>, text: &str) -> Vec<String> {
    let Some(query) = Query::parse(text) else { return Vec::new() };
    let found = store.search(ACCOUNT, user, &query, None, 50).await.unwrap();
    let mut ids = Vec::new();
    for hit in found {
        let message = store.message(ACCOUNT, hit.message).await.unwrap().unwrap();
        assert_eq!(message.conversation_id, Some(hit.conversation));
        ids.push(message.message_id.to_string());
    }
    ids
}

async fn catch_up(store: &Store) {
    index::catch_up(store, &CancellationToken::new()).await.unwrap();
}

fn samples() -> [Sample; 3] {
    [
        mail(
            "bob@x.example",
            "1@x",
            "Angebot",
            "We offer a M\u{fc}nster cheese.\r\n\r\n> old words\r\n",
        ),
        mail("carl@b\u{fc}cher.example", "2@x", "Hello", "An offer you will like, 100% sure."),
        mail("bob@x.example", "3@x", "Hi", "\u{6771}\u{4eac}\u{90fd}"),
    ]
}

#[tokio::test]
async fn many_that_came_together_are_all_found() {
    const MAILS: usize = 150;
    for fresh in both().await {
        let ids: Vec<String> = (0..MAILS).map(|number| format!("{number}@x")).collect();
        let mails: Vec<Sample> =
            ids.iter().map(|id| mail("bob@x.example", id, "Offer", "Cheese.")).collect();
        for mails in mails.chunks(50) {
            file(&fresh.store, mails).await.unwrap();
        }
        catch_up(&fresh.store).await;
        let query = Query::parse("cheese").unwrap();
        let found = fresh.store.search(ACCOUNT, None, &query, None, 500).await.unwrap();
        assert_eq!(found.len(), MAILS);
    }
}

#[tokio::test]
async fn messages_are_found_by_text_subject_and_people() {
    for fresh in both().await {
        file(&fresh.store, &samples()).await.unwrap();
        assert!(found(&fresh.store, None, "offer").await.is_empty());
        assert_eq!(fresh.store.search_reach(ACCOUNT).await.unwrap().last, 3);
        catch_up(&fresh.store).await;
        assert_eq!(fresh.store.search_reach(ACCOUNT).await.unwrap().done, 3);
        for (text, expected) in [
            ("offer", vec!["3@x", "2@x", "1@x"]),
            ("offer cheese", vec!["1@x"]),
            ("munst", vec!["1@x"]),
            ("M\u{dc}NSTER", vec!["1@x"]),
            ("carl", vec!["2@x"]),
            ("carl@b\u{fc}cher.example", vec!["2@x"]),
            ("xn--bcher-kva", vec!["2@x"]),
            ("\u{4eac}\u{90fd}", vec!["3@x"]),
            ("nowhere", vec![]),
            // Quoted history is not what was written here.
            ("old words", vec![]),
        ] {
            assert_eq!(found(&fresh.store, None, text).await, expected, "{text}");
        }
        assert_eq!(found(&fresh.store, Some(USER), "cheese").await, ["1@x"]);
        assert!(found(&fresh.store, Some(UserId(Uuid::max())), "cheese").await.is_empty());
        let query = Query::parse("offer").unwrap();
        let other = SubAccountId(Uuid::max());
        assert!(fresh.store.search(other, None, &query, None, 50).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn whatever_is_typed_is_text() {
    for fresh in both().await {
        file(&fresh.store, &samples()).await.unwrap();
        catch_up(&fresh.store).await;
        let long = "offer ".repeat(200_000);
        for text in [
            "\"",
            "*",
            "offer*",
            "\"offer",
            "NEAR(offer cheese",
            "words:offer",
            "offer AND",
            "-offer",
            "'offer' | 'x'",
            "offer':*",
            "!offer",
            "offer & ",
            "100%",
            "_",
            "\\",
            "of\0fer",
            "(",
            "^a",
            long.as_str(),
        ] {
            found(&fresh.store, None, text).await;
        }
        assert_eq!(found(&fresh.store, None, &long).await.len(), 3);
        assert_eq!(found(&fresh.store, None, "100% _ sure").await, ["2@x"]);
    }
}

#[tokio::test]
async fn the_index_is_made_once_however_often_it_is_looked_after() {
    for fresh in both().await {
        let first = file(&fresh.store, &samples()[..2]).await.unwrap();
        tokio::join!(catch_up(&fresh.store), catch_up(&fresh.store));
        catch_up(&fresh.store).await;
        file(&fresh.store, &samples()[2..]).await.unwrap();
        catch_up(&fresh.store).await;
        assert_eq!(fresh.count("search_messages").await, 3);
        let id = first[0].decision.verdict.stored_message_id.unwrap();
        let message = fresh.store.message(ACCOUNT, id).await.unwrap().unwrap();
        fresh.store.erase_conversation(ACCOUNT, message.conversation_id.unwrap()).await.unwrap();
        assert!(found(&fresh.store, None, "cheese").await.is_empty());
        assert_eq!(fresh.count("search_messages").await, 1);
        assert_eq!(fresh.count("inboxes").await, 1);
    }
}

#[tokio::test]
async fn what_is_new_to_a_user_is_so_until_it_is_read() {
    for fresh in both().await {
        let store = &fresh.store;
        file_inbound(store, "bob@x.example", "1@x").await;
        file(store, &samples()[1..2]).await.unwrap();
        catch_up(store).await;
        let window = Window { after: None, limit: 10 };
        let all = store.inbox(ACCOUNT, USER, Inbox::All, window).await.unwrap();
        assert_eq!(all.len(), 2);
        let unread = store.inbox(ACCOUNT, USER, Inbox::Unread, window).await.unwrap();
        assert_eq!(unread.len(), 1);
        let id = unread[0].id;
        assert_eq!(store.unread_count(ACCOUNT, USER).await.unwrap(), 1);
        let listed = all.iter().map(|conversation| conversation.id);
        assert_eq!(store.unread_among(ACCOUNT, USER, listed).await.unwrap(), [id]);
        assert!(store.has_conversation(ACCOUNT, USER, id).await.unwrap());
        assert!(!store.has_conversation(ACCOUNT, UserId(Uuid::max()), id).await.unwrap());

        store.set_seen(ACCOUNT, USER, id, true).await.unwrap();
        assert_eq!(store.unread_count(ACCOUNT, USER).await.unwrap(), 0);
        store.set_seen(ACCOUNT, USER, id, false).await.unwrap();
        assert_eq!(store.unread_count(ACCOUNT, USER).await.unwrap(), 1);
        let rest = Window { after: Some(all[0].position()), limit: 10 };
        assert_eq!(store.inbox(ACCOUNT, USER, Inbox::All, rest).await.unwrap(), all[1..]);
    }
}

/// Files a mail that came in.
async fn file_inbound(store: &Store, contact: &'static str, id: &str) {
    let sample = mail(contact, id, "Question", "May I ask?");
    let question = [(ACCOUNT, sample.question())];
    let judge = |facts: Facts| {
        let mut filings = sample.judge(&facts);
        for change in filings.iter_mut().flat_map(|filing| &mut filing.decision.changes) {
            if let Change::AddMessage(message) = change {
                message.direction = Some(Direction::Inbound);
            }
        }
        filings
    };
    store.file(&question, judge).await.unwrap();
}
