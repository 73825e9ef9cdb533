//! What is erased stays away, whoever files at the same time; and what is held goes with whom it names.

use std::time::Duration;

use mailweave::model::NewIds;

use super::*;

/// Held mail of ann, to these people.
fn held(id: &str, to: &[&str], cc: &[&str]) -> Filing {
    let person = |address: &&str| Person::new(Address::parse(address).unwrap());
    let mut filing = sample("nobody@example.com", id).hold();
    filing.decision.verdict.matched.address = Some("ann@acme.example".to_owned());
    for change in &mut filing.decision.changes {
        if let Change::AddMessage(message) = change {
            message.to = to.iter().map(person).collect();
            message.cc = cc.iter().map(person).collect();
        }
    }
    filing
}

async fn left(fresh: &Fresh) -> Vec<String> {
    let rows = fresh.sql("select message_id from messages order by message_id").await;
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

#[tokio::test]
async fn held_mail_to_an_erased_contact_goes() {
    for fresh in both().await {
        let contact = "bob@b\u{fc}cher.example";
        let filings = file(&fresh.store, &[sample(contact, "filed@x")]).await.unwrap();
        let Some(Change::AddContact(bob)) = filings[0].decision.changes.first() else { panic!() };
        for filing in [
            held("to@x", &["Bob@b\u{fc}cher.example"], &[]),
            held("cc@x", &["carol@example.com"], &["bob@xn--bcher-kva.example"]),
            held("discarded@x", &[contact], &[]),
            held("other@x", &["rob@b\u{fc}cher.example", "carol@example.com"], &[]),
        ] {
            fresh.store.file(&[], |_| vec![filing.clone()]).await.unwrap();
            if filing.decision.verdict.message_id == MessageId::parse("discarded@x") {
                let (id, made) =
                    (filing.decision.verdict.id, (NOW, NewIds::new(NOW, Uuid::now_v7().as_u128())));
                fresh.store.discard(ACCOUNT, id, "user Ann", made).await.unwrap();
            }
        }
        assert_eq!(left(&fresh).await.len(), 5);
        assert!(fresh.store.erase_contact(ACCOUNT, bob.id).await.unwrap());
        assert_eq!(left(&fresh).await, ["other@x"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn mail_that_is_filed_while_its_contact_is_erased_leaves_nothing_behind() {
    for fresh in both().await {
        let filings = file(&fresh.store, &[sample("bob@example.com", "a@x")]).await.unwrap();
        let Some(Change::AddContact(bob)) = filings[0].decision.changes.first() else { panic!() };
        let (contact, mut erasing) = (bob.id, None);
        let other = Arc::new(open(&fresh.url).await);
        let mut reply = sample("bob@example.com", "b@x");
        reply.names = vec!["a@x".to_owned()];
        let judge = |facts: Facts| {
            let other = Arc::clone(&other);
            let erase = async move { other.erase_contact(ACCOUNT, contact).await };
            erasing.get_or_insert_with(|| tokio::spawn(erase));
            // The facts are read; the erasure has all the time that it wants before they are acted on.
            std::thread::sleep(Duration::from_millis(300));
            reply.judge(&facts)
        };
        fresh.store.file(&[(ACCOUNT, reply.question())], judge).await.unwrap();
        assert!(erasing.unwrap().await.unwrap().unwrap());
        for table in ["contacts", "conversations", "threads", "messages", "aliases"] {
            assert_eq!(fresh.count(table).await, 0, "{table}");
        }
    }
}
