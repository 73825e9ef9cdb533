//! What is taken out of the CRM again leaves nothing of itself, and takes nothing of others along (V3).

use mailweave::ingest::index;
use mailweave::model::NewIds;
use mailweave::store::Undone;
use tokio_util::sync::CancellationToken;

use super::*;

/// Files a mail that came in.
async fn file_inbound(store: &Store, sample: &Sample) -> Filing {
    let judge = |facts: Facts| {
        let known = &facts.account(ACCOUNT).unwrap().ids;
        let mut filings = sample.judge(&facts);
        for filing in &mut filings {
            // As the gateway has it: an id that leads to the thread already is not added once more.
            filing.decision.changes.retain(|change| {
                !matches!(change, Change::AddAlias { key, own: false, .. } if known.contains_key(key))
            });
            for change in &mut filing.decision.changes {
                if let Change::AddMessage(message) = change {
                    message.direction = Some(Direction::Inbound);
                }
            }
        }
        filings
    };
    store.file(&[(ACCOUNT, sample.question())], judge).await.unwrap().remove(0)
}

async fn undo(store: &Store, filing: &Filing) {
    let (id, made) =
        (filing.decision.verdict.id, (NOW, NewIds::new(NOW, Uuid::now_v7().as_u128())));
    let undone = store.undo(ACCOUNT, id, "user Ann", made).await.unwrap();
    assert!(matches!(undone, Undone::Done(_)), "{undone:?}");
}

async fn catch_up(store: &Store) {
    index::catch_up(store, &CancellationToken::new()).await.unwrap();
}

/// A mail that names no other, and one that answers it.
fn chain() -> [Sample; 2] {
    let mut later = sample("bob@example.com", "later@x");
    (later.names, later.at) = (vec!["first@x".to_owned()], NOW.plus_seconds(60));
    [sample("bob@example.com", "first@x"), later]
}

#[tokio::test]
async fn what_is_taken_back_is_new_to_nobody_and_found_by_no_word() {
    for fresh in both().await {
        let store = &fresh.store;
        let [first, later] = chain();
        let first = file_inbound(store, &first).await;
        let later = file_inbound(store, &later).await;
        catch_up(store).await;
        assert_eq!(store.unread_count(ACCOUNT, USER).await.unwrap(), 1);
        undo(store, &later).await;
        let inbox =
            fresh.sql("select subject, last_message_at, last_inbound_at from inboxes").await;
        let at = NOW.as_micros().to_string();
        assert_eq!(inbox, [["Offer first@x", &at, &at]]);
        assert_eq!(fresh.count("search_messages").await, 1);
        undo(store, &first).await;
        assert_eq!(store.unread_count(ACCOUNT, USER).await.unwrap(), 0);
        for table in ["inboxes", "search_messages", "aliases"] {
            assert_eq!(fresh.count(table).await, 0, "{table}");
        }
    }
}

#[tokio::test]
async fn words_of_what_waits_go_with_it() {
    for fresh in both().await {
        let [first, _] = chain();
        let first = file_inbound(&fresh.store, &first).await;
        undo(&fresh.store, &first).await;
        // As the index has it when it read the mail just before that.
        let (of, id) = (fresh.id(ACCOUNT.0), first.decision.verdict.stored_message_id.unwrap());
        let id = fresh.id(id.0);
        fresh.sql(&format!("insert into search_messages (sub_account, message_id, position, words, preview) values ({of}, {id}, 1, 'secret', 'Secret')")).await;
        assert_eq!(fresh.store.expire_held(NOW.plus_seconds(31 * 86_400)).await.unwrap(), 1);
        assert_eq!(fresh.count("messages").await + fresh.count("search_messages").await, 0);
    }
}

/// Is a further answer to the first mail of the chain in the thread of those that are left?
async fn is_followed(store: &Store) -> bool {
    let mut further = sample("bob@example.com", "further@x");
    further.names = vec!["first@x".to_owned()];
    let filing = file_inbound(store, &further).await;
    filing.decision.changes.iter().all(|change| !matches!(change, Change::AddThread(_)))
}

#[tokio::test]
async fn a_thread_is_followed_by_the_ids_its_mails_name_whoever_goes() {
    for fresh in both().await {
        let [first, later] = chain();
        let first = file_inbound(&fresh.store, &first).await;
        file_inbound(&fresh.store, &later).await;
        undo(&fresh.store, &first).await;
        assert!(is_followed(&fresh.store).await);
    }
    for fresh in both().await {
        let [first, mut later] = chain();
        file_inbound(&fresh.store, &first).await;
        // A colleague's, who stays.
        later.message_id = "colleague@x".to_owned();
        file_inbound(&fresh.store, &later).await;
        fresh.sql("update messages set user_id = null where message_id = 'colleague@x'").await;
        let now = Time::from_micros(5);
        assert!(fresh.store.erase_user(ACCOUNT, USER, Mail::Erase, now).await.unwrap());
        assert_eq!(fresh.count("messages").await, 1);
        assert!(is_followed(&fresh.store).await);
    }
}

#[tokio::test]
async fn filing_without_the_file_is_told_and_so_is_undoing_it() {
    for fresh in both().await {
        let store = &fresh.store;
        let [sample, _] = chain();
        let skip = |facts: Facts| {
            let mut filing = sample.judge(&facts).remove(0);
            filing.decision.verdict.reason = Reason::AttachmentTooLarge;
            for change in &mut filing.decision.changes {
                if let Change::AddMessage(message) = change {
                    message.state = State::Skipped;
                }
            }
            vec![filing]
        };
        let skipped = store.file(&[(ACCOUNT, sample.question())], skip).await.unwrap().remove(0);
        catch_up(store).await;
        let preview = "select preview from search_messages";
        assert_eq!(fresh.sql(preview).await, [[""]]);
        let (id, made) =
            (skipped.decision.verdict.id, (NOW, NewIds::new(NOW, Uuid::now_v7().as_u128())));
        store.file_without_files(ACCOUNT, id, "user Ann", made).await.unwrap();
        catch_up(store).await;
        assert_eq!(fresh.sql(preview).await, [["Hello"]]);
        undo(store, &skipped).await;
        catch_up(store).await;
        assert_eq!(fresh.sql(preview).await, [[""]]);
        let events = store.events_after(ACCOUNT, 0, 10).await.unwrap();
        let message = skipped.decision.verdict.stored_message_id.map(|id| id.0);
        assert_eq!(events.len(), 3);
        for event in events {
            assert_eq!((event.event_type, event.object_id), (EventType::MessageFiled, message));
        }
    }
}

#[tokio::test]
async fn what_was_taken_out_is_remembered_by_its_id() {
    for fresh in both().await {
        let store = &fresh.store;
        let [first, _] = chain();
        let key = MessageId::parse("first@x").unwrap().key();
        let is_known = async || {
            let question = Question { private_keys: [key].into(), ..first.question() };
            let facts = facts(store, question).await;
            facts.account(ACCOUNT).unwrap().private.contains_key(&key)
        };
        let filing = file_inbound(store, &first).await;
        assert!(!is_known().await);
        undo(store, &filing).await;
        assert!(is_known().await, "taken back");
        let made = (NOW, NewIds::new(NOW, Uuid::now_v7().as_u128()));
        let discarded = store.discard(ACCOUNT, filing.decision.verdict.id, "user Ann", made).await;
        assert!(matches!(discarded.unwrap(), Undone::Done(_)));
        assert!(!is_known().await, "it came to the smart BCC address");
        fresh.sql("update verdicts set door = 'imap'").await;
        assert!(is_known().await, "discarded");
    }
}
