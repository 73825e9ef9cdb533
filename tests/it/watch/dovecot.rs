//! A mailbox in Dovecot, which plays Exchange Online, and what happens in it.

use std::sync::atomic::Ordering;

use super::world::{ANN, CARL, CONNECTION, World, mail, reply, worlds};
use crate::store::{ACCOUNT, both};
use crate::support::lab::{Proxy, lab};
use crate::support::sender::Sender;

const CUSTOMER: &str = "carl@customer.example";
/// Of a private mail at most so much is fetched (T3).
const PRIVATE_BYTES_MAX: usize = 1_500;

impl World {
    fn reply_comes(&self, id: &str, parent: &str) {
        self.mailbox().deliver(CUSTOMER, &reply(id, CARL, ANN, parent));
    }

    async fn threads(&self) -> usize {
        self.fresh.count("threads").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_and_what_the_user_writes_in_outlook_join_the_thread_once_each() {
    for mut world in worlds().await {
        world.watch().await;
        world.reply_comes("r1@c", "first@acme");
        world.until_messages(2).await;
        world.mailbox().append("Sent Items", &reply("o1@acme", ANN, CARL, "r1@c"));
        world.until_messages(3).await;
        world.reply_comes("r2@c", "o1@acme");
        world.mailbox().deliver("zoe@z.example", &mail("private@z", "zoe@z.example", ANN, ""));
        world.until_verdicts(5).await;
        assert_eq!(world.messages().await, 4);
        assert_eq!(world.threads().await, 1);
        let directions = "select direction from messages order by id";
        let directions = world.fresh.sql(directions).await.concat();
        assert_eq!(directions, ["outbound", "inbound", "outbound", "inbound"]);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_private_mail_a_few_header_fields_are_read_and_nothing_is_stored() {
    const PRIVATE: usize = 30;
    for fresh in both().await {
        let proxy = Proxy::to(lab().imap_in_clear());
        let host = format!("127.0.0.1:{}?plain", proxy.port());
        let mut world = World::at(fresh, lab().mailbox("ann"), &host).await;
        world.watch().await;
        let before = proxy.answered().len();
        let mut client = world.mailbox().client();
        for n in 0..PRIVATE {
            let id = format!("private{n}@z");
            let private = mail(&id, "Zoe <zoe@canary.example>", "To <to@canary.example>", "");
            client.append("INBOX", &(private + "canary ".repeat(15_000).as_str()));
        }
        world.until_verdicts(1 + PRIVATE).await;
        world.stop().await;
        let answered = proxy.answered();
        let of_each = (answered.len() - before) / PRIVATE;
        assert!(of_each <= PRIVATE_BYTES_MAX, "{of_each} bytes of each private mail");
        for secret in ["to@canary", "Secret private", "canary canary"] {
            assert!(!answered.contains(secret), "{secret}");
        }
        assert!(!proxy.asked().contains("BODY.PEEK[]"), "{}", proxy.asked());
        for (table, rows) in world.fresh.dump().await {
            assert!(!rows.contains("canary"), "{table}: {rows}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_rules_move_is_found_in_its_folder_and_moving_it_changes_nothing() {
    for mut world in worlds().await {
        let mut outlook = world.mailbox().client();
        outlook.create("Customers");
        world.watch().await;
        outlook.append("Customers", &reply("moved@c", CARL, ANN, "first@acme"));
        world.until_messages(2).await;
        // From the Inbox, after it was seen there.
        world.reply_comes("r1@c", "first@acme");
        world.until_messages(3).await;
        outlook.select("INBOX");
        outlook.move_to(1, "Customers");
        // Removed at once, or spam: not ours.
        let removed = outlook.append("INBOX", &mail("gone@z", "zoe@z.example", ANN, ""));
        outlook.run("NOOP");
        outlook.expunge(removed);
        outlook.append("Junk Email", &reply("junk@c", CARL, ANN, "first@acme"));
        outlook.append("Drafts", &reply("draft@acme", ANN, CARL, "first@acme"));
        world.reply_comes("r2@c", "r1@c");
        world.until_messages(4).await;
        let uid_next = async |world: &World| {
            let folders = world.store.folders(ACCOUNT, CONNECTION).await.expect("folders");
            folders.into_iter().find(|it| it.name == "Customers").map(|it| it.uid_next)
        };
        world.until("the moved mail is seen", async |it| uid_next(it).await == Some(3)).await;
        world.stop().await;
        assert_eq!(world.messages().await, 4);
    }
}

/// T8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_that_are_made_and_renamed_meanwhile_are_looked_into() {
    for mut world in worlds().await {
        let mut outlook = world.mailbox().client();
        world.watch().await;
        outlook.create("Made");
        outlook.append("Made", &reply("made@c", CARL, ANN, "first@acme"));
        world.until_messages(2).await;
        outlook.run("RENAME Made Renamed");
        outlook.append("Renamed", &reply("renamed@c", CARL, ANN, "first@acme"));
        world.until_messages(3).await;
        world.stop().await;
        assert_eq!(world.messages().await, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_was_made_anew_loses_nothing_and_replays_nothing() {
    for mut world in worlds().await {
        let mut outlook = world.mailbox().client();
        outlook.create("Customers");
        outlook.append("Customers", &reply("r1@c", CARL, ANN, "first@acme"));
        outlook.append("Customers", &mail("private@z", "zoe@z.example", ANN, ""));
        world.watch().await;
        world.until_messages(2).await;
        world.until_verdicts(3).await;
        outlook.done("DELETE Customers");
        outlook.create("Customers");
        outlook.append("Customers", &reply("r2@c", CARL, ANN, "r1@c"));
        outlook.append("Customers", &mail("private@z", "zoe@z.example", ANN, ""));
        outlook.append("Customers", &reply("r1@c", CARL, ANN, "first@acme"));
        world.until_messages(3).await;
        world.reply_comes("r3@c", "r2@c");
        world.until_messages(4).await;
        world.stop().await;
        assert_eq!(world.messages().await, 4);
        let private = world.verdicts().await;
        assert_eq!(private.iter().filter(|it| *it == "not_a_crm_thread").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_with_its_token_goes_on_with_a_new_one_without_a_gap() {
    for mut world in worlds().await {
        world.watch().await;
        world.reply_comes("r1@c", "first@acme");
        world.until_messages(2).await;
        world.mailbox().expire_tokens();
        world.mailbox().kick();
        world.reply_comes("r2@c", "r1@c");
        world.until_messages(3).await;
        assert!(world.keys.renewals.load(Ordering::SeqCst) >= 1);
        assert_eq!(world.keys.refusals.load(Ordering::SeqCst), 0);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_in_silence_is_found_out() {
    for fresh in both().await {
        let proxy = Proxy::to(lab().imap_address());
        let host = format!("localhost:{}?tls", proxy.port());
        let mut world = World::at(fresh, lab().mailbox("ann"), &host).await;
        world.watch().await;
        let before = proxy.connections();
        proxy.fall_silent();
        world.reply_comes("r1@c", "first@acme");
        world.mailbox().append("Sent Items", &reply("o1@acme", ANN, CARL, "r1@c"));
        proxy.speak();
        world.until_messages(3).await;
        assert!(proxy.connections() >= before + 2);
        proxy.cut();
        world.reply_comes("r2@c", "o1@acme");
        world.until_messages(4).await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_the_gateway_was_away_is_read_when_it_is_back() {
    for mut world in worlds().await {
        world.watch().await;
        world.stop().await;
        let mut client = world.mailbox().client();
        for n in 0..60 {
            client.append("INBOX", &mail(&format!("private{n}@z"), "zoe@z.example", ANN, ""));
        }
        client.append("INBOX", &reply("r1@c", CARL, ANN, "first@acme"));
        client.append("Sent Items", &reply("o1@acme", ANN, CARL, "r1@c"));
        world.start();
        world.until_verdicts(63).await;
        // What the user wrote may have been read before what it answers: then it is asked for again.
        world.until_messages(3).await;
        world.stop().await;
    }
}

/// What the user writes is found where the mailbox keeps sent mail.
async fn finds_what_is_sent(sent: &str) {
    let [fresh, _] = both().await;
    let mailbox = lab().mailbox_with_sent("ann", sent);
    let mut world = World::at(fresh, mailbox, &lab().imap()).await;
    world.watch().await;
    let kept = world.store.sent_folder(ACCOUNT, CONNECTION).await.expect("a folder");
    assert_eq!(kept.as_deref(), Some(sent));
    world.mailbox().append(sent, &reply("o1@acme", ANN, CARL, "first@acme"));
    world.until_messages(2).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sent_is_found_by_its_attribute_or_its_name_in_the_users_language() {
    // Dovecot gives the first one `\\Sent`, whatever it is called; the others are French and Japanese.
    for sent in ["Transmitted", "&AMk-l&AOk-ments envoy&AOk-s", "&kAFP4W4IMH8wojCkMMYw4A-"] {
        finds_what_is_sent(sent).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sent_is_found_by_where_the_copy_of_a_sent_mail_turns_up() {
    for fresh in both().await {
        let mailbox = lab().mailbox_with_sent("ann", "Ausgegangenes");
        let mut world = World::at(fresh, mailbox, &lab().imap()).await;
        world.start();
        // The CRM sends, and the server files its copy.
        let copy = mail("NEW@outlook", ANN, CARL, "X-Mailweave-Message-ID: <first@acme>\n");
        world.mailbox().append("Ausgegangenes", &copy);
        world
            .until("the folder is known", async |world| {
                let sent = world.store.sent_folder(ACCOUNT, CONNECTION).await.expect("a folder");
                sent.as_deref() == Some("Ausgegangenes")
            })
            .await;
        world.mailbox().append("Ausgegangenes", &reply("o1@acme", ANN, CARL, "NEW@outlook"));
        world.until_messages(2).await;
        world.stop().await;
        assert_eq!(world.threads().await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_mail_by_both_doors_is_one_message_whichever_is_first() {
    for mut world in worlds().await {
        world.watch().await;
        let answer = reply("o1@acme", ANN, CARL, "first@acme");
        world.arrives(&answer).await;
        world.mailbox().append("Sent Items", &answer);
        let answer = reply("o2@acme", ANN, CARL, "o1@acme");
        world.mailbox().append("Sent Items", &answer);
        world.until_messages(3).await;
        world.arrives(&answer).await;
        world.reply_comes("r1@c", "o2@acme");
        world.until_messages(4).await;
        world.stop().await;
        assert_eq!((world.messages().await, world.threads().await), (4, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_that_came_before_their_thread_was_tracked_are_searched_for() {
    for mut world in worlds().await {
        world.watch().await;
        let mut client = world.mailbox().client();
        client.append("Sent Items", &reply("o2@acme", ANN, CARL, "r1@c"));
        client.append("INBOX", &reply("r1@c", CARL, ANN, "late@acme"));
        world.until_verdicts(3).await;
        assert_eq!(world.messages().await, 1);
        // The smart BCC copy of what all began with is late (T10).
        world.arrives(&mail("late@acme", ANN, CARL, "")).await;
        world.until_messages(4).await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_with_contacts_is_followed_when_the_switch_is_on() {
    for mut world in worlds().await {
        let switch = "update sub_accounts set settings = '{\"follow_contacts\": true}'";
        world.fresh.sql(switch).await;
        world.watch().await;
        world.mailbox().deliver(CUSTOMER, &mail("new@c", CARL, ANN, ""));
        world.mailbox().append("Sent Items", &mail("new@acme", ANN, CARL, ""));
        world.mailbox().deliver("zoe@z.example", &mail("private@z", "zoe@z.example", ANN, ""));
        world.until_verdicts(4).await;
        world.stop().await;
        assert_eq!(world.messages().await, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auto_replies_are_shown_as_such_and_reports_are_known_by_what_they_report_on() {
    for mut world in worlds().await {
        world.watch().await;
        let away = "In-Reply-To: <first@acme>\nAuto-Submitted: auto-replied\n";
        world.mailbox().deliver(CUSTOMER, &mail("away@c", CARL, ANN, away));
        world.until_messages(2).await;
        let kinds = world.fresh.sql("select kind from messages order by id").await.concat();
        assert_eq!(kinds[1], "auto_reply", "{kinds:?}");
        // Postfix itself reports that the customer's server refused the mail.
        let sent = mail("first@acme", ANN, "bounce@customer.example", "");
        let mut sender = Sender::connect(lab().relay()).expect("Postfix answers");
        let content = sent.replace('\n', "\r\n");
        let taken =
            sender.send(&world.mailbox().address, "bounce@customer.example", content.as_bytes());
        assert_eq!(taken.expect("a reply").code, 250);
        world.until_verdicts(3).await;
        world.stop().await;
        let kinds = world.fresh.sql("select kind from messages order by id").await.concat();
        assert_eq!(kinds, ["mail", "auto_reply", "delivery_report"]);
    }
}
