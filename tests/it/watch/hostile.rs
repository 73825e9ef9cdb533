//! Servers that break the protocol, stop in the middle, or mean harm (ATTACKS F): each dialog in
//! `dialogs/` is one way. Nothing is lost, nothing comes twice, nothing hangs, and what is new later is
//! seen all the same.
//!
//! A dialog: `on PART OF A COMMAND [N times | always]`, then what is answered: `S:` lines, `!raw` bytes,
//! `!default` (what a server should say), `!data` (that without its end), `!first` (its first line),
//! `!trickle` (a byte now and then), `!idle`, `!close`, `!hang`. `without ID` names mails that the server keeps from us for good.

use std::fs;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use mailweave::model::{Credentials, Login};
use mailweave::watch::Mailbox as _;
use mailweave::watch::imap::{Options, Session, Wake};
use mailweave::watch::mailbox::Body;

use super::scripted::{Fault, Folder, Server, State};
use super::world::{ANN, CARL, World, mail, reply};
use crate::store::both;

/// More connections than this in a test are a hot loop.
const CONNECTIONS_MAX: usize = 60;

/// What a dialog says.
#[derive(Default)]
struct Dialog {
    faults: Vec<Fault>,
    poison: Option<u32>,
    internal_date: Option<String>,
    without: Vec<String>,
}

impl Dialog {
    fn read(text: &str) -> Self {
        let mut dialog = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "on" => dialog.faults.push(fault(rest)),
                "poison" => dialog.poison = rest.parse().ok(),
                "date" => dialog.internal_date = Some(rest.to_owned()),
                "without" => dialog.without.push(rest.to_owned()),
                _ => {
                    let answer = line.strip_prefix("S: ").unwrap_or(line).to_owned();
                    dialog.faults.last_mut().expect("a command before").answer.push(answer);
                }
            }
        }
        dialog
    }

    fn server(&self) -> Server {
        let inbox = Folder::of([
            mail("private1@z", "zoe@z.example", ANN, ""),
            reply("r1@c", CARL, ANN, "first@acme"),
            mail("private2@z", "zoe@z.example", ANN, ""),
        ]);
        let sent = Folder::of([reply("o1@acme", ANN, CARL, "first@acme")]);
        let projects = Folder::of([reply("r2@c", CARL, ANN, "first@acme")]);
        let folders = [("INBOX", inbox), ("Sent Items", sent), ("Projects", projects)];
        let date = "14-Nov-2026 22:13:20 +0000".to_owned();
        Server::start(State {
            folders: folders.map(|(name, folder)| (name.to_owned(), folder)).into(),
            faults: self.faults.clone(),
            poison: self.poison,
            internal_date: self.internal_date.clone().unwrap_or(date),
            ..State::default()
        })
    }
}

fn fault(rest: &str) -> Fault {
    let (on, times) = match rest.strip_suffix(" always") {
        Some(on) => (on, u32::MAX),
        None => match rest.strip_suffix(" times").and_then(|rest| rest.rsplit_once(' ')) {
            Some((on, times)) => (on, times.parse().expect("a number")),
            None => (rest, 1),
        },
    };
    Fault { on: on.to_owned(), times, answer: Vec::new() }
}

/// Plays a dialog; what went wrong, if anything.
async fn run(name: String, text: String) -> Option<String> {
    let dialog = Dialog::read(&text);
    let server = dialog.server();
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.start();
    let wanted: Vec<&str> = ["first@acme", "r1@c", "o1@acme", "r2@c"]
        .into_iter()
        .filter(|id| !dialog.without.iter().any(|it| it == id))
        .collect();
    if !world.comes(async |world| wanted_are_filed(world, &wanted).await).await {
        return Some(format!("{name}: {:?} instead of {wanted:?}", world.verdicts().await));
    }
    // It goes on watching.
    server.state().folders.get_mut("INBOX").unwrap().add(reply("late@c", CARL, ANN, "first@acme"));
    let late = [wanted.as_slice(), &["late@c"]].concat();
    if !world.comes(async |world| wanted_are_filed(world, &late).await).await {
        return Some(format!("{name}: a later mail is not filed"));
    }
    world.stop().await;
    let messages = world.messages().await;
    let connections = server.state().connections;
    let is_well = connections < CONNECTIONS_MAX && messages == late.len();
    (!is_well).then(|| format!("{name}: {connections} connections, {messages} messages"))
}

async fn wanted_are_filed(world: &World, wanted: &[&str]) -> bool {
    let ids = world.fresh.sql("select message_id from messages").await.concat();
    wanted.iter().all(|id| ids.iter().any(|it| it == id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_server_does_no_mail_is_lost_and_none_comes_twice() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/watch/dialogs");
    let dialogs: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(dialogs.len() > 50);
    let running = dialogs.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        run(name, fs::read_to_string(&path).unwrap())
    });
    let ended: Vec<_> = stream::iter(running).buffer_unordered(12).collect().await;
    let wrong: Vec<String> = ended.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uids_that_lose_their_meaning_lose_nothing_and_replay_nothing() {
    let server = Dialog::default().server();
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.start();
    world.until_messages(4).await;
    world.until_verdicts(6).await;
    world.stop().await;
    {
        // The folder was rebuilt while we were away: other UIDs, and a new mail before the others.
        let mut state = server.state();
        let inbox = state.folders.get_mut("INBOX").unwrap();
        let former: Vec<String> = inbox.mails.values().cloned().collect();
        *inbox = Folder { uid_validity: 10, uid_next: 1, ..Folder::default() };
        inbox.add(reply("meanwhile@c", CARL, ANN, "r1@c"));
        former.into_iter().for_each(|mail| inbox.add(mail));
    }
    world.start();
    world.until_messages(5).await;
    let mail = reply("after@c", CARL, ANN, "meanwhile@c");
    server.state().folders.get_mut("INBOX").unwrap().add(mail);
    world.until_messages(6).await;
    world.stop().await;
    assert_eq!(world.messages().await, 6);
    assert_eq!(world.verdicts().await.iter().filter(|it| *it == "not_a_crm_thread").count(), 2);
}

/// A session that has the Inbox open.
async fn inbox_of(server: &Server) -> Session {
    let options = Options::new(mailweave::tls::client_config(None).unwrap());
    let host = format!("{}?plain", server.address).parse().unwrap();
    let login =
        Login { username: "ann".to_owned(), credentials: Credentials::Password("x".into()) };
    let mut session = Session::open(&options, &host, &login).await.unwrap();
    session.examine("INBOX").await.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_in_the_answer_to_another_command_is_news() {
    let server = Dialog::read("on UID FETCH\nS: * 4 EXISTS\n!default\n").server();
    let mut session = inbox_of(&server).await;
    let (soon, late) = (Duration::from_millis(300), Duration::from_secs(3_600));
    assert_eq!(
        session.idle(soon, pending()).await.unwrap(),
        Wake::Timeout,
        "it is as it was opened"
    );
    session.headers(1, u32::MAX).await.unwrap();
    assert_eq!(session.idle(late, pending()).await.unwrap(), Wake::Changed, "nobody has looked");
    session.headers(1, u32::MAX).await.unwrap();
    assert_eq!(session.idle(soon, pending()).await.unwrap(), Wake::Timeout, "all is seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_marks_a_whole_folder_as_read_ends_no_waiting() {
    let flags = "%{* 12345 FETCH (UID 12345 FLAGS (\\Seen))\\r\\n*50000}%";
    let dialog = format!("on IDLE\nS: + idling\n!raw {flags}\n!idle\n");
    let server = Dialog::read(&dialog).server();
    let mut session = inbox_of(&server).await;
    let woken = session.idle(Duration::from_secs(5), pending()).await;
    assert_eq!(woken.unwrap(), Wake::Timeout);
    session.headers(1, u32::MAX).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_moved_away_between_two_pieces_is_gone_and_not_cut_short() {
    // As long as a piece: that there is nothing behind it says either.
    let of_length = |length| mail("large@c", CARL, ANN, &format!("X: {}\n", "x".repeat(length)));
    let around = of_length(0).replace('\n', "\r\n").len();
    let whole = of_length(524_288 - around);
    for (is_there, dialog) in [
        (true, "on BODY.PEEK[]<524288.\nS: $ OK done\n"),
        (
            false,
            "on BODY.PEEK[]<524288.\nS: $ OK done\non UID FETCH 1:1 (UID) 2 times\nS: $ OK done\n",
        ),
    ] {
        let server = Dialog::read(dialog).server();
        server.state().folders.insert("INBOX".to_owned(), Folder::of([whole.clone()]));
        let mut session = inbox_of(&server).await;
        let expected = match is_there {
            true => Body::Whole(whole.replace('\n', "\r\n").into_bytes()),
            false => Body::Gone,
        };
        let body = session.body(1, None, 10_000_000).await.unwrap();
        assert!(body == expected, "{is_there}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_are_whole_however_much_of_them_came_with_the_others() {
    // One as long as a beginning is at most, those beside it, and one that takes several pieces.
    const BEGINNING: usize = 65_536;
    let sizes = [600, BEGINNING - 1, BEGINNING, BEGINNING + 1, 2_000_000];
    let mails: Vec<String> =
        sizes.iter().map(|size| format!("A: b\n\n{}", "x".repeat(size - 8))).collect();
    let server = Dialog::default().server();
    {
        let mut state = server.state();
        let folder = state.folders.get_mut("INBOX").unwrap();
        *folder = Folder::of([]);
        mails.iter().for_each(|mail| folder.add(mail.clone()));
    }
    let mut session = inbox_of(&server).await;
    let mut beginnings = session.beginnings(&[1, 2, 3, 4, 5, 9]).await.unwrap();
    let lengths: Vec<usize> = beginnings.values().map(Vec::len).collect();
    assert_eq!(lengths, [600, BEGINNING - 1, BEGINNING, BEGINNING, BEGINNING]);
    for (uid, mail) in (1..).zip(&mails) {
        let beginning = beginnings.remove(&uid);
        let body = session.body(uid, beginning, 3_000_000).await.unwrap();
        let whole = mail.replace('\n', "\r\n").into_bytes();
        let length = whole.len();
        assert!(body == Body::Whole(whole), "{uid}");
        let body = session.body(uid, None, length - 1).await.unwrap();
        assert!(matches!(body, Body::TooLarge(_)), "{uid}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_mails_that_came_meanwhile_one_that_cannot_be_read_keeps_no_other() {
    const MAILS: usize = 1_200;
    // The page before is recorded while this one is asked for, and fails.
    const UNREADABLE: u32 = 620;
    let server = Dialog::default().server();
    let inbox = (0..MAILS).map(|n| match n {
        3 | 499 | 500 | 630 | 1_199 => reply(&format!("r{n}@c"), CARL, ANN, "first@acme"),
        _ => mail(&format!("private{n}@z"), "zoe@z.example", ANN, ""),
    });
    {
        let mut state = server.state();
        let folder = state.folders.get_mut("INBOX").unwrap();
        *folder = Folder::of([]);
        inbox.for_each(|mail| folder.add(mail));
        state.poison = Some(UNREADABLE);
    }
    let [fresh, _] = both().await;
    let mut world = World::of_scripted(fresh, server.address).await;
    world.has_read_nothing_of_the_inbox().await;
    world.start();
    // Of the Inbox all but one, and one each in Sent and Projects; and how it all began.
    world.until_verdicts(1 + MAILS - 1 + 2).await;
    world.stop().await;
    assert_eq!(world.messages().await, 1 + 5 + 2);
    assert!(server.state().connections < CONNECTIONS_MAX);
}
