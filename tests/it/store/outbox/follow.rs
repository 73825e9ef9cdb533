//! What is left to do when a mailbox is disconnected and connected again: mail for later, mail in doubt, and
//! copies (S1, S4, S5, S6, M4, M5).

use mailweave::model::MailboxId;
use mailweave::store::{Begun, NewConnection, Proved};

use super::*;

const BOB: &str = "bob@example.com";
const DORA: &str = "dora@example.com";
const ANN: &str = "ann@acme.example";

async fn connect(fresh: &Fresh, email: &str) -> (MailboxId, ConnectionId) {
    let (id, account) =
        (ConnectionId(Uuid::now_v7()), serde_json::from_str::<Account>(HOSTS).unwrap());
    let (provider, owner) = ("imap".to_owned(), address(email));
    let address = Some(owner.clone());
    let new = NewConnection { id, provider, address, account: account.clone(), secret: None };
    let new = (MailboxId(Uuid::now_v7()), new);
    let begun = fresh.store.connect_mailbox(ACCOUNT, USER, new, NOW).await.unwrap();
    let Begun::Yes(mailbox) = begun else { panic!("{begun:?}") };
    let proved = Proved { address: owner, account, sent_folder: None, detail: None };
    let event = (EventId(Uuid::now_v7()), NOW);
    fresh.store.activate_connection(ACCOUNT, id, &proved, event).await.unwrap();
    (mailbox, id)
}

async fn disconnect(fresh: &Fresh, mailbox: MailboxId) {
    let event = (EventId(Uuid::now_v7()), NOW);
    assert!(fresh.store.disconnect_mailbox(ACCOUNT, mailbox, event).await.unwrap().is_some());
}

async fn via(fresh: &Fresh, id: StoredMessageId) -> Via {
    fresh.store.shipments(ACCOUNT, [id]).await.unwrap()[&id].via
}

#[tokio::test]
async fn mail_for_later_goes_out_through_the_next_connection_of_its_address() {
    for fresh in both().await {
        let (mailbox, first) = connect(&fresh, ANN).await;
        let later = (Via::Mailbox(first), Some(at(1_000)));
        let opens = enqueue(&fresh, (BOB, "a@x", &[]), later).await;
        file(&fresh.store, &[sample(DORA, "old@x")]).await.unwrap();
        let goes_on = enqueue(&fresh, (DORA, "b@x", &["old@x"]), later).await;
        let connection = fresh.id(first.0);
        let track = format!("update threads set sync = 'tracked', connection_id = {connection}");
        fresh.sql(&track).await;
        disconnect(&fresh, mailbox).await;

        let (same, _) = connect(&fresh, "other@acme.example").await;
        assert_eq!(same, mailbox);
        assert_eq!(via(&fresh, opens).await, Via::Mailbox(first), "it is from another address");
        disconnect(&fresh, mailbox).await;

        let (_, next) = connect(&fresh, ANN).await;
        for id in [opens, goes_on] {
            assert_eq!(via(&fresh, id).await, Via::Mailbox(next));
        }
        // What opens a thread is followed there; what was followed before is when somebody says so (M5).
        let tracked = "select messages.message_id from threads join messages \
            on messages.thread_id = threads.id where threads.sync = 'tracked'";
        assert_eq!(fresh.sql(tracked).await, [["a@x"]]);
        let claimed = claim(&fresh, 1_001).await;
        assert_eq!(claimed.len(), 2);
        assert!(claimed.iter().all(|mail| !mail.is_stranded), "{claimed:?}");
    }
}

#[tokio::test]
async fn mail_that_becomes_due_without_its_mailbox_has_nowhere_to_go() {
    for fresh in both().await {
        let (mailbox, first) = connect(&fresh, ANN).await;
        enqueue(&fresh, (BOB, "a@x", &[]), (Via::Mailbox(first), Some(at(1_000)))).await;
        disconnect(&fresh, mailbox).await;
        assert!(claim_one(&fresh, 1_001).await.is_stranded);
    }
}

/// S5, S6.
#[tokio::test]
async fn mail_in_doubt_is_looked_for_and_copies_are_filed_in_the_next_connection() {
    for fresh in both().await {
        let (mailbox, first) = connect(&fresh, ANN).await;
        let mut mails = Vec::new();
        for id in ["unknown@x", "copy@x", "leased@x", "sent@x"] {
            mails.push(enqueue(&fresh, (BOB, id, &[]), (Via::Mailbox(first), None)).await);
        }
        for (id, stands) in mails.iter().zip([
            "status = 'unknown', searched_at = 9",
            "status = 'sent', copy_wanted = true",
            "leased_until = 9",
            "status = 'sent'",
        ]) {
            let id = fresh.id(id.0);
            fresh
                .sql(&format!(
                    "update outbox set due_at = null, handed_at = 5, {stands} where id = {id}"
                ))
                .await;
        }
        disconnect(&fresh, mailbox).await;
        let (_, next) = connect(&fresh, ANN).await;
        for (id, connection) in mails.iter().zip([next, next, next, first]) {
            assert_eq!(via(&fresh, *id).await, Via::Mailbox(connection));
        }
        let searched = "select count(*) from outbox where searched_at is not null";
        assert_eq!(fresh.sql(searched).await, [["0"]], "its absence there is not proved");
    }
}
