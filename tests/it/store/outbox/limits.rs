//! A provider's limits where its mailbox is connected more than once (M6).

use super::*;

const OTHERS: SubAccountId = SubAccountId(Uuid::from_u128(9));
const THEIRS: ConnectionId = ConnectionId(Uuid::from_u128(79));
const TO: [&str; 3] = ["b@x.example", "c@x.example", "d@x.example"];
const TWO_A_MINUTE: Pace =
    Pace { per_mailbox_per_minute: 2, connections_per_mailbox: 2, connections_per_relay: 20 };

/// Ann's mailbox is connected here, and in another sub-account through this server; each has three mails to
/// go through it.
async fn connected_twice(fresh: &Fresh, server: &str) {
    add_mailbox(fresh, true).await;
    fresh.add_account(OTHERS).await;
    let (of, user, id) = (fresh.id(OTHERS.0), fresh.id(USER.0), fresh.id(THEIRS.0));
    let hosts = HOSTS.replace("127.0.0.1:587", server);
    fresh.sql(&format!("insert into connections (sub_account, id, mailbox_id, user_id, provider, account, secret_version, state, created_at) values ({of}, {id}, {id}, {user}, 'imap', '{hosts}', 0, 'active', 0)")).await;
    fresh.sql("update connections set address = 'ann@acme.example'").await;
    for (via, ids) in [(MAILBOX, ["a1", "a2", "a3"]), (THEIRS, ["b1", "b2", "b3"])] {
        for (to, message_id) in TO.into_iter().zip(ids) {
            enqueue(fresh, (to, message_id, &[]), (Via::Mailbox(via), None)).await;
        }
    }
    let theirs = format!("select id from outbox where connection_id = {id}");
    fresh.sql(&format!("update messages set sub_account = {of} where id in ({theirs})")).await;
    fresh.sql(&format!("update outbox set sub_account = {of} where connection_id = {id}")).await;
}

async fn claim_slowly(fresh: &Fresh, seconds: i64) -> Vec<Claimed> {
    let (now, until) = (at(seconds), at(seconds + LEASE_SECONDS));
    fresh.store.claim(now, until, &TWO_A_MINUTE, 100).await.unwrap()
}

#[tokio::test]
async fn one_mailbox_in_two_sub_accounts_has_its_limits_once() {
    for fresh in both().await {
        connected_twice(&fresh, "127.0.0.1:465").await;
        let claimed = claim_slowly(&fresh, 0).await;
        let whose: BTreeSet<_> = claimed.iter().map(|it| it.sub_account).collect();
        assert_eq!((claimed.len(), whose), (2, BTreeSet::from([ACCOUNT, OTHERS])));
        for mail in &claimed {
            assert!(hand_over(&fresh, mail, 1).await);
            settle(&fresh, mail, SendStatus::Sent, 2).await;
        }
        assert_eq!(claim_slowly(&fresh, 3).await.len(), 0, "both were this minute's");
        assert_eq!(claim_slowly(&fresh, 62).await.len(), 2);
    }
}

#[tokio::test]
async fn the_same_address_at_another_server_is_another_mailbox() {
    for fresh in both().await {
        connected_twice(&fresh, "smtp.elsewhere.example:587").await;
        assert_eq!(claim_slowly(&fresh, 0).await.len(), 4);
    }
}

#[tokio::test]
async fn what_waits_is_not_read_to_count_what_is_on_its_way() {
    let [fresh, _] = both().await;
    let mut statements = mailweave::store::statements_as_text(false);
    let (_, sql) = statements.find(|(name, _)| *name == "IN_FLIGHT").unwrap();
    let plan = fresh.sql(&format!("explain query plan {sql}")).await.concat().join(" ");
    assert!(plan.contains("outbox_leased"), "{plan}");
}
