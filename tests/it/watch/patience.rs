//! Servers that cannot just now, cannot at all, or are busy elsewhere: nobody is asked for it, nothing is
//! given up for it (T8, T10, M3, S6).

use std::sync::atomic::Ordering;
use std::time::Duration;

use mailweave::access::Trouble;

use super::scripted::{Fault, Folder, Server, State};
use super::world::{ANN, CARL, CONNECTION, World, mail, reply};
use crate::store::{ACCOUNT, both};

/// A server with these folders beside the Inbox, which answers a command so.
fn server(folders: &[&str], (on, times, answer): (&str, u32, &[&str])) -> Server {
    let mut state =
        State { internal_date: "14-Nov-2026 22:13:20 +0000".to_owned(), ..State::default() };
    for name in ["INBOX"].iter().chain(folders) {
        state.folders.insert((*name).to_owned(), Folder::of([]));
    }
    let answer = answer.iter().map(|line| (*line).to_owned()).collect();
    state.faults.push(Fault { on: on.to_owned(), times, answer });
    Server::start(state)
}

/// A mail comes into a folder.
fn comes(server: &Server, folder: &str, mail: String) {
    server.state().folders.get_mut(folder).expect("a folder").add(mail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_is_asked_for_an_outage_behind_the_door() {
    for answer in [
        "$ NO [UNAVAILABLE] Temporary authentication failure.",
        "$ NO [THROTTLED] Too much",
        "$ BAD User is authenticated but not connected.",
    ] {
        let server = server(&["Sent"], ("AUTHENTICATE", 10, &[answer]));
        let [fresh, _] = both().await;
        let mut world = World::of_scripted(fresh, server.address).await;
        world.start();
        comes(&server, "INBOX", reply("r1@c", CARL, ANN, "first@acme"));
        world.until_messages(2).await;
        world.stop().await;
        assert_eq!(world.keys.refusals.load(Ordering::SeqCst), 0, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_is_told_that_it_cannot_be_watched_and_that_it_can_again() {
    for (answer, times) in [("* PREAUTH welcome", 4), ("* BYE not now", 14)] {
        let server = server(&["Sent"], ("GREETING", times, &[answer]));
        let [fresh, _] = both().await;
        let mut world = World::of_scripted(fresh, server.address).await;
        world.start();
        let trouble = |world: &World| world.keys.trouble.lock().unwrap().clone();
        world.until("it is told", async |world| trouble(world).is_some()).await;
        let told = trouble(&world).unwrap();
        assert_eq!(matches!(told, Trouble::Broken(_)), answer.starts_with("* PREAUTH"), "{told:?}");
        world.until("it is told no more", async |world| trouble(world).is_none()).await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_will_not_search_is_watched_all_the_same() {
    let server = server(&["Sent"], ("UID SEARCH", u32::MAX, &["$ NO I cannot search"]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.watch().await;
    // Like the first mail, it is old when it comes, so that its answers are searched for (T10).
    world.arrives(&mail("late@acme", ANN, CARL, "References: <older@acme>\n")).await;
    world
        .until("both searches are put off", async |world| {
            let due = world.store.searches(ACCOUNT, CONNECTION).await.expect("searches");
            due.is_empty() && world.fresh.count("searches").await == 2
        })
        .await;
    comes(&server, "Sent", reply("o1@acme", ANN, CARL, "first@acme"));
    world.until_messages(3).await;
    world.stop().await;
    assert_eq!(server.state().connections, 2, "its sessions went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_idle_is_offered_and_refused_it_is_asked_now_and_then() {
    for answer in ["$ NO not here", "$ BAD what is that?", "$ OK done"] {
        let server = server(&["Sent"], ("IDLE", u32::MAX, &[answer]));
        let [fresh, _] = both().await;
        let mut world = World::of_scripted(fresh, server.address).await;
        world.watch().await;
        comes(&server, "INBOX", reply("r1@c", CARL, ANN, "first@acme"));
        comes(&server, "Sent", reply("o1@acme", ANN, CARL, "first@acme"));
        world.until_messages(3).await;
        world.stop().await;
        assert_eq!(server.state().connections, 2, "its sessions went on: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_looked_for_in_sent_is_not_known_to_be_absent() {
    let closed = ("EXAMINE \"Sent\"", u32::MAX, &["$ NO Access denied"][..]);
    let server = server(&["Sent"], closed);
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.start();
    world
        .until("the search is put off", async |world| {
            let due = world.store.searches(ACCOUNT, CONNECTION).await.expect("searches");
            due.is_empty()
        })
        .await;
    world.stop().await;
    assert_eq!(world.fresh.count("searches").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_of_a_folder_that_is_refused_is_not_taken_for_sent_mail() {
    // This server opens the folder, and says that it did not.
    let closed = ("EXAMINE \"Projects\"", u32::MAX, &["$ NO Access denied"][..]);
    let server = server(&["Sent", "Projects"], closed);
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.watch().await;
    comes(&server, "Projects", reply("r1@c", CARL, ANN, "first@acme"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    comes(&server, "Sent", reply("o1@acme", ANN, CARL, "first@acme"));
    world.until_messages(2).await;
    world.stop().await;
    let ids = world.fresh.sql("select message_id from messages").await.concat();
    assert!(!ids.contains(&"r1@c".to_owned()), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_ends_each_session_keeps_no_search_from_being_made() {
    let server = server(&["Projects", "Sent"], ("STATUS \"Projects\"", u32::MAX, &["!close"]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.watch().await;
    world.until("it is searched", async |world| world.fresh.count("searches").await == 0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_over_which_the_connection_is_lost_is_put_off() {
    let server = server(&["Sent"], ("UID SEARCH", u32::MAX, &["!close"]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.watch().await;
    world
        .until("the search is put off", async |world| {
            let due = world.store.searches(ACCOUNT, CONNECTION).await.expect("searches");
            due.is_empty()
        })
        .await;
    comes(&server, "Sent", reply("o1@acme", ANN, CARL, "first@acme"));
    world.until_messages(2).await;
    world.stop().await;
    assert_eq!(world.fresh.count("searches").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_of_our_own_code_ends_no_watch() {
    let server = server(&["Sent"], ("nothing", 0, &[]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.keys.failures.store(4, Ordering::SeqCst);
    world.start();
    let trouble = |world: &World| world.keys.trouble.lock().unwrap().clone();
    world.until("it is told", async |world| trouble(world) == Some(Trouble::Failed)).await;
    comes(&server, "INBOX", reply("r1@c", CARL, ANN, "first@acme"));
    comes(&server, "Sent", reply("o1@acme", ANN, CARL, "first@acme"));
    world.until_messages(3).await;
    world.until("it is told no more", async |world| trouble(world).is_none()).await;
    world.stop().await;
    assert_eq!(world.keys.failures.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_folder_keeps_no_other_from_being_looked_at() {
    let always_told = ["+ idling", "* 9 EXISTS", "!idle"];
    let server = server(&["Sent", "Projects"], ("IDLE", u32::MAX, &always_told));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.watch().await;
    comes(&server, "Projects", reply("r1@c", CARL, ANN, "first@acme"));
    world.until_messages(2).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_folders_with_a_name_for_sent_mail_the_one_with_a_copy_is_it() {
    let server = server(&["Sent", "Sent Items"], ("nothing", 0, &[]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    wants_copy(&world).await;
    world.fresh.sql("update outbox set copy_wanted = 0").await;
    world.watch().await;
    let sent = async |world: &World| {
        world.store.sent_folder(ACCOUNT, CONNECTION).await.expect("a row").expect("a folder")
    };
    assert_eq!(sent(&world).await, "Sent Items", "as Exchange calls it");
    comes(&server, "Sent", mail("new@s", ANN, CARL, "X-Mailweave-Message-ID: <first@acme>\n"));
    world.until("it is learnt", async |world| sent(world).await == "Sent").await;
    assert!(!world.store.files_sent(ACCOUNT, CONNECTION).await.expect("a row"));
    world.stop().await;
    assert_eq!(world.messages().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_files_copies_a_folder_is_made_for_them() {
    let server = server(&["INBOX/Archive"], ("nothing", 0, &[]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    let change = "replace(account, '\"saves_sent\":true', '\"saves_sent\":false')";
    world.fresh.sql(&format!("update connections set account = {change}")).await;
    world.watch().await;
    world.stop().await;
    let sent = world.store.sent_folder(ACCOUNT, CONNECTION).await.expect("a folder");
    assert_eq!(sent.as_deref(), Some("INBOX/Sent"));
    assert!(server.state().folders.contains_key("INBOX/Sent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sent_folder_what_came_lately_is_found_all_the_same() {
    let server = server(&[], ("UID SEARCH", u32::MAX, &["* SEARCH 1", "$ OK done"]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.start();
    world
        .until("the Inbox is searched", async |world| world.fresh.count("searches").await == 0)
        .await;
    comes(&server, "INBOX", reply("r1@c", CARL, ANN, "late@acme"));
    world.until_verdicts(2).await;
    world.arrives(&mail("late@acme", ANN, CARL, "References: <older@acme>\n")).await;
    world.until_messages(3).await;
    world.stop().await;
}

/// The CRM sent the first mail through the mailbox, whose provider files no copies.
async fn wants_copy(world: &World) {
    let (connection, route) =
        (world.fresh.id(CONNECTION.0), r#"{"from":"ann@acme.example","recipients":[]}"#);
    world
        .fresh
        .sql(&format!(
            "insert into outbox (sub_account, id, conversation_id, user_id, kind, connection_id, \
                status, route, attempts, copy_wanted, created_at) \
            select sub_account, id, conversation_id, user_id, 'individual', {connection}, 'sent', \
                '{route}', 1, 1, 0 from messages"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_want_to_know_our_name_is_watched_all_the_same() {
    let offer = "* CAPABILITY IMAP4rev1 IDLE ID SASL-IR AUTH=PLAIN";
    let refused = &["$ BAD what is that?"][..];
    let told = &["* ID (\"name\" \"Dovecot\" \"os\" NIL)", "$ OK"][..];
    // Nobody can read that: each session is signed in once more, without a name.
    let strange = &["* ID ((", "$ OK"][..];
    for (answer, connections) in [(refused, 2), (told, 2), (strange, 4)] {
        let server = server(&["Sent"], ("CAPABILITY", u32::MAX, &[offer, "$ OK told"]));
        let answer = answer.iter().map(|line| (*line).to_owned()).collect();
        server.state().faults.push(Fault {
            on: "ID (\"name\" \"Mailweave\"".to_owned(),
            times: 2,
            answer,
        });
        let [fresh, _] = both().await;
        let mut world = World::of_scripted(fresh, server.address).await;
        world.watch().await;
        comes(&server, "INBOX", reply("r1@c", CARL, ANN, "first@acme"));
        world.until_messages(2).await;
        world.stop().await;
        let state = server.state();
        assert_eq!(state.connections, connections, "its sessions went on");
        assert!(state.faults.iter().all(|fault| fault.times != 2), "it was asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_folders_are_for_is_asked_where_it_is_told() {
    let told = ["* LIST (\\Sent) \"/\" \"Zeta\"", "* LIST () \"/\" \"INBOX\"", "$ OK listed"];
    for (sent, answer) in [("Zeta", &told[..]), ("Sent", &["$ BAD what is that?"])] {
        let offer = "* CAPABILITY IMAP4rev1 IDLE SASL-IR AUTH=PLAIN LIST-EXTENDED SPECIAL-USE";
        let server = server(&[sent], ("CAPABILITY", u32::MAX, &[offer, "$ OK told"]));
        let answer = answer.iter().map(|line| (*line).to_owned()).collect();
        let on = "RETURN (SPECIAL-USE)".to_owned();
        server.state().faults.push(Fault { on, times: u32::MAX, answer });
        let [fresh, _] = both().await;
        let mut world = World::of_scripted(fresh, server.address).await;
        world.start();
        world
            .until("its Sent folder is known", async |world| {
                let known = world.store.sent_folder(ACCOUNT, CONNECTION).await.expect("a row");
                known.as_deref() == Some(sent)
            })
            .await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_not_taken_just_now_is_taken_later() {
    taken_after("$ NO [INUSE] Mailbox is locked").await;
    taken_after("$ NO [TRYCREATE] No such mailbox").await;
}

async fn taken_after(answer: &'static str) {
    let server = server(&["Sent"], ("APPEND", 2, &[answer]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    wants_copy(&world).await;
    world.start();
    let has_copy = || server.state().folders["Sent"].mails.len() == 1;
    world.until("Sent has the copy", async |_| has_copy()).await;
    world
        .until("it is known", async |world| {
            let copied = "select id from outbox where copied_at is not null and copy_wanted = 0";
            world.fresh.sql(copied).await.len() == 1
        })
        .await;
    world.stop().await;
    assert!(has_copy(), "one copy, never two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_a_full_mailbox_refuses_for_a_day_is_given_up() {
    let full = "$ NO [OVERQUOTA] Mailbox is full";
    let server = server(&["Sent"], ("APPEND", u32::MAX, &[full]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    wants_copy(&world).await;
    world.fresh.sql("update outbox set sent_at = 1000000").await;
    world.start();
    world
        .until("it is wanted no more", async |world| {
            world.store.wanted_copy(ACCOUNT, CONNECTION).await.expect("a copy").is_none()
        })
        .await;
    world.stop().await;
    assert!(server.state().folders["Sent"].mails.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_there_is_found_whatever_the_server_says_of_its_day() {
    let server = server(&["Sent"], ("nothing", 0, &[]));
    server.state().internal_date = "01-Jan-1970 00:00:00 +0000".to_owned();
    comes(&server, "Sent", mail("first@acme", ANN, CARL, ""));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    wants_copy(&world).await;
    world.start();
    world
        .until("it is known", async |world| {
            world.fresh.sql("select id from outbox where copy_wanted = 0").await.len() == 1
        })
        .await;
    world.stop().await;
    assert_eq!(server.state().folders["Sent"].mails.len(), 1, "one copy, never two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_cannot_be_searched_for_ends_no_session() {
    let server = server(&["Sent"], ("UID SEARCH", u32::MAX, &["$ NO I cannot search"]));
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    wants_copy(&world).await;
    world.watch().await;
    world
        .until("the search is put off", async |world| {
            world.store.searches(ACCOUNT, CONNECTION).await.expect("searches").is_empty()
        })
        .await;
    comes(&server, "Sent", reply("o1@acme", ANN, CARL, "first@acme"));
    world.until_messages(2).await;
    world.stop().await;
    assert_eq!(server.state().connections, 2, "its sessions went on");
    assert!(world.store.wanted_copy(ACCOUNT, CONNECTION).await.expect("a copy").is_some());
}
