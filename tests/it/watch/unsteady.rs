//! Servers whose folders change under us, and outages of many mailboxes at once (ATTACKS F4, F13, F14): nothing
//! is lost, nothing comes twice, and nobody is called upon without end.

use std::time::Duration;

use mailweave::access::Trouble;
use mailweave::model::ConnectionId;
use tokio::time::Instant;
use uuid::Uuid;

use super::scripted::{Fault, Folder, Server, State};
use super::world::{ANN, CARL, CONNECTION, World, mail, reply};
use crate::store::{ACCOUNT, both};

/// Mailboxes that one server has, beside Ann's.
const OTHERS: usize = 24;

/// A server with an Inbox of these mails, a Sent folder, and one that rules move mail to.
fn server<const N: usize>(inbox: [String; N]) -> Server {
    let projects = Folder::of([reply("p1@c", CARL, ANN, "first@acme")]);
    let folders = [("INBOX", Folder::of(inbox)), ("Sent", Folder::of([])), ("Projects", projects)];
    Server::start(State {
        folders: folders.map(|(name, folder)| (name.to_owned(), folder)).into(),
        internal_date: "14-Nov-2026 22:13:20 +0000".to_owned(),
        ..State::default()
    })
}

async fn world_at(server: &Server) -> World {
    let [fresh, _] = both().await;
    World::of_scripted(fresh, server.address).await
}

fn add(server: &Server, folder: &str, mail: String) {
    server.state().folders.get_mut(folder).expect("a folder").add(mail);
}

/// What the Inbox's UIDs mean, as far as it was read.
async fn numbering(world: &World) -> u32 {
    let folders = world.store.folders(ACCOUNT, CONNECTION).await.expect("folders");
    folders.iter().find(|it| it.name == "INBOX").map_or(0, |it| it.uid_validity)
}

/// The server ends all connections, and takes new ones again.
async fn cut_off(world: &World, server: &Server) {
    server.state().is_down = true;
    world.until("all are cut off", async |_| server.state().open == 0).await;
    server.state().is_down = false;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_numbered_anew_each_time_is_read_once_and_then_left_alone() {
    let server = server([reply("r1@c", CARL, ANN, "first@acme")]);
    server.state().is_restless = true;
    let mut world = world_at(&server).await;
    world.start();
    world.until_messages(3).await;
    let told = |world: &World| world.keys.trouble.lock().unwrap().clone();
    // It is opened anew, and read anew, once.
    let numbered = numbering(&world).await;
    cut_off(&world, &server).await;
    world.until("it is read anew", async |world| numbering(world).await > numbered).await;
    cut_off(&world, &server).await;
    world.until("it is told", async |world| matches!(told(world), Some(Trouble::Broken(_)))).await;
    let (before, began) = (server.state().connections, Instant::now());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (tries, seconds) = (server.state().connections - before, began.elapsed().as_secs() + 1);
    // At most so many as the longest wait, two seconds here, allows.
    assert!(tries as u64 <= 2 * seconds, "{tries} in {seconds} s");
    world.stop().await;
    assert_eq!((world.messages().await, world.verdicts().await.len()), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uids_that_go_down_and_are_used_again_lose_nothing_and_replay_nothing() {
    let server = server([
        mail("private@z", "zoe@z.example", ANN, ""),
        reply("r1@c", CARL, ANN, "first@acme"),
        reply("r2@c", CARL, ANN, "first@acme"),
    ]);
    let mut world = world_at(&server).await;
    world.watch().await;
    world.until_messages(4).await;
    world.stop().await;
    // As of an older copy of the mailbox: the same numbers, and other mail under them.
    let restored = [reply("r2@c", CARL, ANN, "first@acme"), reply("r3@c", CARL, ANN, "first@acme")];
    server.state().folders.insert("INBOX".to_owned(), Folder::of(restored));
    world.watch().await;
    world.until_messages(5).await;
    add(&server, "INBOX", reply("r4@c", CARL, ANN, "r3@c"));
    world.until_messages(6).await;
    world.stop().await;
    assert_eq!((world.messages().await, world.verdicts().await.len()), (6, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_gets_another_name_while_it_is_watched_is_found_by_that() {
    let server = server([]);
    let mut world = world_at(&server).await;
    world.watch().await;
    world.until_messages(2).await;
    {
        let mut state = server.state();
        let folder = state.folders.remove("Projects").expect("a folder");
        state.folders.insert("Old projects".to_owned(), folder);
        let answer = vec!["$ NO [NONEXISTENT] There is no such folder".to_owned()];
        state.faults.push(Fault { on: "\"Projects\"".to_owned(), times: u32::MAX, answer });
    }
    add(&server, "INBOX", reply("r1@c", CARL, ANN, "first@acme"));
    world.until_messages(3).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.state().connections, 2, "its sessions went on");
    add(&server, "Old projects", reply("p2@c", CARL, ANN, "p1@c"));
    world.stop().await;
    world.start();
    world.until_messages(4).await;
    world.stop().await;
    assert_eq!((world.messages().await, world.verdicts().await.len()), (4, 4));
}

/// More connections of the same user to the same server.
async fn connect_others(world: &World) {
    let own = world.fresh.id(CONNECTION.0);
    for n in 0..OTHERS {
        let id = world.fresh.id(ConnectionId(Uuid::from_u128(1_000 + n as u128)).0);
        world.fresh.sql(&format!("insert into connections (sub_account, id, mailbox_id, user_id, provider, account, secret_version, state, created_at, connected_at) select sub_account, {id}, {id}, user_id, provider, account, 0, 'active', 0, 0 from connections where id = {own}")).await;
    }
}

/// One mailbox that is connected twice, and more, has each mail once (F13); and all of them come back (F14).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_mailboxes_that_are_cut_off_at_once_all_come_back_without_a_storm() {
    let server = server([reply("r1@c", CARL, ANN, "first@acme")]);
    let mut world = world_at(&server).await;
    connect_others(&world).await;
    world.start();
    let all = 2 * (OTHERS + 1);
    world.until("all wait", async |_| server.state().open == all).await;
    world.until_messages(3).await;
    server.state().is_down = true;
    world.until("all are cut off", async |_| server.state().open == 0).await;
    let before = server.state().connections;
    add(&server, "INBOX", reply("r2@c", CARL, ANN, "first@acme"));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tries = server.state().connections - before;
    // Each wait is twice the one before, from 50 ms on, and none is under half its length.
    assert!(tries < all * 12, "{tries} tries of {all} sessions");
    server.state().is_down = false;
    world.until("all are back", async |_| server.state().open == all).await;
    world.until_messages(4).await;
    world.stop().await;
    assert_eq!(world.messages().await, 4);
    let ids = world.fresh.sql("select message_id from messages order by message_id").await;
    assert_eq!(ids, [["first@acme"], ["p1@c"], ["r1@c"], ["r2@c"]]);
}
