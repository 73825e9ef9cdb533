//! What is erased stays away, whoever files at the same time.

use std::time::Duration;

use super::*;

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
