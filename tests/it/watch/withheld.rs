//! Mail that a server lists and does not give: the folder is read on without it, it is asked for again, and
//! judged as any other once it is given (V1).

use std::time::Duration;

use super::scripted::{Folder, Server, State};
use super::world::{ANN, CARL, World, mail, reply};
use crate::store::both;

/// Carl's answer, whose header can be read or not.
const WITHHELD: u32 = 2;

/// A server whose Inbox has a mail that it does not give, before one that it gives; and a world in which the
/// folder was read on without it.
async fn left_out() -> (Server, World) {
    let inbox = Folder::of([
        mail("private@z", "zoe@z.example", ANN, ""),
        reply("r1@c", CARL, ANN, "first@acme"),
        reply("r2@c", CARL, ANN, "first@acme"),
    ]);
    let folders = [("INBOX", inbox), ("Sent", Folder::of([])), ("Projects", Folder::of([]))];
    let server = Server::start(State {
        folders: folders.map(|(name, folder)| (name.to_owned(), folder)).into(),
        poison: Some(WITHHELD),
        internal_date: "14-Nov-2026 22:13:20 +0000".to_owned(),
        ..State::default()
    });
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.has_read_nothing_of_the_inbox().await;
    world.start();
    world.until_messages(2).await;
    assert_eq!(withheld(&world).await, [["INBOX", "2", "0"]]);
    (server, world)
}

async fn withheld(world: &World) -> Vec<Vec<String>> {
    world.fresh.sql("select folder, uid, tries from withheld").await
}

async fn is_due(world: &World) {
    world.fresh.sql("update withheld set next_at = 5").await;
}

async fn until_asked(world: &World) {
    world
        .until("it is asked for", async |world| {
            withheld(world).await.first().is_none_or(|row| row[2] != "0")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_after_all_is_filed_once() {
    let (server, mut world) = left_out().await;
    is_due(&world).await;
    until_asked(&world).await;
    assert_eq!(withheld(&world).await, [["INBOX", "2", "1"]], "it is put off");
    assert_eq!(world.messages().await, 2);
    server.state().poison = None;
    is_due(&world).await;
    world.until_messages(3).await;
    world.until("it is done", async |world| withheld(world).await.is_empty()).await;
    server.state().folders.get_mut("INBOX").unwrap().add(reply("r3@c", CARL, ANN, "r1@c"));
    world.until_messages(4).await;
    world.stop().await;
    assert_eq!((world.messages().await, world.verdicts().await.len()), (4, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_or_means_another_mail_now_is_forgotten() {
    let (server, mut world) = left_out().await;
    server.state().folders.get_mut("INBOX").unwrap().mails.remove(&WITHHELD);
    is_due(&world).await;
    world.until("it is forgotten", async |world| withheld(world).await.is_empty()).await;
    let (of, connection) = (world.fresh.id(crate::store::ACCOUNT.0), world.connection());
    // One of a folder that was numbered anew, and one of a folder that is there no more.
    for folder in ["INBOX", "Nowhere"] {
        world.fresh.sql(&format!("insert into withheld (sub_account, connection_id, folder, uid_validity, uid, tries, created_at, next_at) values ({of}, {connection}, '{folder}', 8, 3, 0, 0, 5)")).await;
    }
    world.until("they are forgotten", async |world| withheld(world).await.is_empty()).await;
    world.stop().await;
    assert_eq!(world.messages().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_given_for_a_week_has_that_for_its_verdict_and_the_watch_goes_on() {
    let (server, mut world) = left_out().await;
    world.fresh.sql("update withheld set created_at = 5").await;
    is_due(&world).await;
    world.until("it is given up", async |world| withheld(world).await.is_empty()).await;
    server.state().folders.get_mut("Projects").unwrap().add(reply("r3@c", CARL, ANN, "r2@c"));
    world.until_messages(3).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.stop().await;
    assert_eq!(world.messages().await, 3);
    let given_up = "select door, outcome from verdicts where reason = 'not_given'";
    assert_eq!(world.fresh.sql(given_up).await, [["imap", "ignored"]]);
}
