//! Mail that is found in a mailbox, judged and recorded: a mailbox in memory, both databases.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mailweave::ingest::flow::{self as arrive, Pending};
use mailweave::ingest::index;
use mailweave::ingest::prepare::Reader;
use mailweave::model::words::Query;
use mailweave::model::{
    Account, Auth, ConnectionId, Door, Folder, FolderRole, MessageId, Pepper, Trust, TrustResults,
    UserId,
};
use mailweave::store::{Inbox, RawMail, Watched};
use mailweave::watch::caution::{Caution, Trouble};
use mailweave::watch::flow::Way;
use mailweave::watch::{Among, Body, Error, Header, Mailbox, folder};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;

const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(70));

/// A folder in memory, which counts what is taken from it.
#[derive(Default)]
struct Memory {
    mails: BTreeMap<u32, String>,
    /// Left out of answers to ranges, as Exchange does.
    withheld: Vec<u32>,
    /// Not finished yet.
    drafts: Vec<u32>,
    /// Since no day anything came.
    has_absurd_dates: bool,
    /// Whatever is searched for, all of them are found.
    finds_all: bool,
    /// Up to this one they came before the mailbox was connected.
    came_before: u32,
    /// Refused, as by a server that is out of order.
    refused: Vec<u32>,
    /// Their reading cuts the connection.
    cut_at: Option<u32>,
    bodies: Vec<u32>,
    header_bytes: usize,
}

impl Memory {
    fn add(&mut self, mail: &str) -> u32 {
        let uid = self.mails.keys().next_back().map_or(1, |last| last + 1);
        self.mails.insert(uid, mail.replace('\n', "\r\n"));
        uid
    }

    fn fields(mail: &str, wanted: &[&str]) -> Vec<u8> {
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let is_wanted = |line: &&str| {
            wanted.iter().any(|name| line.to_lowercase().starts_with(&format!("{name}:")))
        };
        let lines: Vec<&str> = head.split("\r\n").filter(is_wanted).collect();
        format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
    }
}

const IDS: [&str; 9] = [
    "message-id",
    "in-reply-to",
    "references",
    "thread-index",
    "from",
    "date",
    "content-type",
    "x-mailweave-message-id",
    "x-microsoft-original-message-id",
];

impl Mailbox for Memory {
    async fn headers(&mut self, from: u32, to: u32) -> Result<Vec<Header>, Error> {
        if self.refused.iter().any(|uid| (from..=to).contains(uid)) {
            return Err(Error::Refused("NO".to_owned()));
        }
        let is_there = |uid: &u32| from == to || !self.withheld.contains(uid);
        let found = self.mails.range(from..=to).filter(|(uid, _)| is_there(uid));
        let header = |(uid, mail): (&u32, &String)| Header {
            uid: *uid,
            received_at: Some(if *uid > self.came_before {
                NOW
            } else {
                Time::from_seconds(-9_999)
            }),
            is_draft: self.drafts.contains(uid),
            fields: Self::fields(mail, &IDS),
        };
        let headers: Vec<Header> = found.map(header).collect();
        self.header_bytes += headers.iter().map(|header| header.fields.len()).sum::<usize>();
        Ok(headers)
    }

    async fn uids(&mut self, from: u32, to: u32) -> Result<Vec<u32>, Error> {
        Ok(self.mails.range(from..=to).map(|(uid, _)| *uid).collect())
    }

    async fn search(
        &mut self,
        among: Among,
        field: &'static str,
        id: &MessageId,
    ) -> Result<Vec<u32>, Error> {
        let names = |mail: &str| {
            let fields = Self::fields(mail, &[&field.to_lowercase()]);
            String::from_utf8(fields).unwrap().contains(id.as_str())
        };
        let is_among = |uid: &u32| match among {
            Among::Since(_) => !self.has_absurd_dates,
            Among::From(first) => *uid >= first,
        };
        let found = self.mails.iter().filter(|(_, mail)| self.finds_all || names(mail));
        Ok(found.map(|(uid, _)| *uid).filter(is_among).collect())
    }

    async fn people(&mut self, uid: u32) -> Result<Vec<u8>, Error> {
        Ok(Self::fields(&self.mails[&uid], &["to", "cc"]))
    }

    async fn reported(&mut self, uid: u32) -> Result<Vec<MessageId>, Error> {
        let (_, given_back) = self.mails[&uid].split_once("Message-ID: <given-").unwrap();
        let (id, _) = given_back.split_once('>').unwrap();
        Ok(MessageId::parse(id).into_iter().collect())
    }

    async fn beginnings(&mut self, _: &[u32]) -> Result<BTreeMap<u32, Vec<u8>>, Error> {
        Ok(BTreeMap::new())
    }

    async fn body(&mut self, uid: u32, _: Option<Vec<u8>>, _: usize) -> Result<Body, Error> {
        if self.cut_at == Some(uid) {
            self.cut_at = None;
            return Err(Error::Lost("cut".to_owned()));
        }
        self.bodies.push(uid);
        Ok(self.mails.get(&uid).map_or(Body::Gone, |mail| Body::Whole(mail.clone().into_bytes())))
    }
}

fn mail(id: &str, from: &str, to: &str, more: &str) -> String {
    format!(
        "From: {from}\nTo: {to}\nSubject: Secret {id}\nMessage-ID: <{id}>\n\
        Date: Tue, 14 Nov 2023 22:13:20 +0000\n{more}\nBody of {id}\n"
    )
}

const ANN: &str = "Ann <ann@acme.example>";
const CARL: &str = "Carl <carl@customer.example>";

struct World {
    fresh: Fresh,
    way: Way,
}

/// Ann's mailbox is connected, and her mail `first@acme` to Carl came to her smart BCC address.
async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for fresh in both().await {
        fresh.connect_mailbox().await;
        let world = World { way: way(&fresh).await, fresh };
        world.arrives(&mail("first@acme", ANN, CARL, "")).await;
        worlds.push(world);
    }
    worlds
}

impl Fresh {
    async fn connect_mailbox(&self) {
        let (of, user, id) = (self.id(ACCOUNT.0), self.id(USER.0), self.id(CONNECTION.0));
        self.sql(&format!("insert into connections (sub_account, id, mailbox_id, user_id, provider, account, secret_version, state, created_at, connected_at) values ({of}, {id}, {id}, {user}, 'outlook', '{{\"imap\":\"127.0.0.1:993\",\"smtp\":\"127.0.0.1:587\",\"username\":\"ann\",\"auth\":\"xoauth2\",\"saves_sent\":true}}', 0, 'active', 0, 0)")).await;
        self.sql(&format!("update users set connection_id = {id}")).await;
    }
}

async fn way(fresh: &Fresh) -> Way {
    let store = Arc::new(open(&fresh.url).await);
    let watched = store.watched().await.unwrap().remove(0);
    let account = Account {
        imap: "127.0.0.1:993".parse().unwrap(),
        smtp: "127.0.0.1:587".parse().unwrap(),
        username: "ann".to_owned(),
        auth: Auth::Xoauth2,
        saves_sent: true,
    };
    let expected = Watched {
        sub_account: ACCOUNT,
        connection: CONNECTION,
        user: USER,
        account,
        sent_folder: None,
        connected_at: Time::from_micros(0),
    };
    assert_eq!(watched, expected);
    way_of(store, watched)
}

fn way_of(store: Arc<Store>, watched: Watched) -> Way {
    let reader = Reader {
        bcc_domains: Arc::from(["bcc.example".to_owned()]),
        limits: mailweave::mail::Limits::default(),
        pepper: Pepper::new([3; 32]),
    };
    let knows_sent = AtomicBool::new(false);
    Way { store, reader, watched, message_bytes_max: 10_000_000, knows_sent }
}

impl World {
    /// A mail comes to Ann's smart BCC address.
    async fn arrives(&self, mail: &str) {
        self.arrives_for(mail, USER).await;
    }

    async fn arrives_for(&self, mail: &str, user: UserId) {
        let content = Arc::new(mail.replace('\n', "\r\n").into_bytes());
        let read = self.way.reader.read(Arc::clone(&content));
        let trust = TrustResults::without_checks(Trust::Dmarc);
        let now = Time::from_seconds(1_700_000_060);
        let reader = &self.way.reader;
        let submission = reader.submission(&read, Door::Smtp, ACCOUNT, vec![user], trust, now);
        let pending =
            Pending { submission, content: RawMail::pack(&content), envelope: None, again: None };
        arrive::file(&self.way.store, &[pending], now, Uuid::now_v7().as_u128()).await.unwrap();
    }

    async fn folder(&self, role: FolderRole) -> Folder {
        let name = role.name().to_owned();
        let folder = Folder { name, role, uid_validity: 9, uid_next: 1 };
        self.way.store.set_folder(ACCOUNT, CONNECTION, &folder).await.unwrap();
        folder
    }

    async fn catch_up(&self, mailbox: &mut Memory, folder: &mut Folder) {
        let end = mailbox.mails.keys().next_back().map_or(1, |last| last + 1);
        folder::catch_up(&self.way, mailbox, folder, end, &mut Caution::default()).await.unwrap();
        let stored = self.way.store.folders(ACCOUNT, CONNECTION).await.unwrap();
        assert!(stored.contains(folder) && folder.uid_next == end, "{stored:?} {folder:?}");
    }

    /// Searches a folder for what is to be searched for, until nothing is.
    async fn search(&self, mailbox: &mut Memory, folder: &mut Folder) {
        let store = &self.way.store;
        let due = store.connections_to_search().await.unwrap();
        assert_eq!(due, [(ACCOUNT, CONNECTION)]);
        let next = async || store.searches(ACCOUNT, CONNECTION).await.unwrap().first().copied();
        while let Some(search) = next().await {
            let (thread, _) = search;
            let ids = store.ids_of_thread(ACCOUNT, thread).await.unwrap();
            folder::search(&self.way, mailbox, folder, &ids).await.unwrap();
            store.searched(ACCOUNT, CONNECTION, search).await.unwrap();
        }
    }

    async fn reasons(&self) -> Vec<String> {
        let rows = self.fresh.sql("select reason from verdicts order by id").await;
        rows.into_iter().flatten().collect()
    }
}

#[tokio::test]
async fn private_mail_is_never_fetched_and_leaves_nothing() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        for n in 0..40 {
            mailbox.add(&mail(&format!("canary{n}@z"), "Zoe <zoe@canary.example>", ANN, ""));
        }
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert!(mailbox.bodies.is_empty());
        assert_eq!(world.fresh.count("messages").await, 1);
        assert_eq!(world.reasons().await[1..], vec!["not_a_crm_thread"; 40]);
        for (table, rows) in world.fresh.dump().await {
            assert!(!rows.contains("canary"), "{table}: {rows}");
        }
        // It is explained by its Message-ID all the same (V2).
        let id = MessageId::parse("canary7@z").unwrap();
        let filter = mailweave::store::VerdictFilter {
            private_key: Some(world.way.reader.pepper.key(ACCOUNT, &id)),
            message_id: Some(id),
            ..Default::default()
        };
        let window = mailweave::store::Window { after: None, limit: 10 };
        let found = world.way.store.verdicts(ACCOUNT, &filter, window).await.unwrap();
        assert_eq!(found.len(), 1);
    }
}

/// T4.
#[tokio::test]
async fn replies_and_answers_join_the_thread_once_in_whatever_order() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        for n in 2..6 {
            let parent = format!("In-Reply-To: <r{}@c>\n", n - 1);
            mailbox.add(&mail(&format!("r{n}@c"), CARL, ANN, &parent));
        }
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert_eq!(mailbox.bodies, [1, 2, 3, 4, 5]);
        assert_eq!(world.fresh.count("messages").await, 6);
        assert_eq!(world.fresh.count("threads").await, 1);
        assert_eq!(world.fresh.count("contacts").await, 1);
        let events = world.fresh.sql("select count(*) from events where type = 'message.filed'");
        assert_eq!(events.await[0][0], "6");

        // The same mail by the other door is the same message.
        world.arrives(&mail("r3@c", CARL, ANN, "In-Reply-To: <r2@c>\n")).await;
        assert_eq!(world.fresh.count("messages").await, 6);
        assert!(world.reasons().await.contains(&"duplicate".to_owned()));
    }
}

/// B9: what two users have is in the list of both, whether it could be found already or not.
#[tokio::test]
async fn a_mail_that_two_users_have_is_in_both_inboxes_until_it_is_taken_out() {
    const BOB: UserId = UserId(Uuid::from_u128(77));
    let window = || mailweave::store::Window { after: None, limit: 10 };
    for world in worlds().await {
        let store = &world.way.store;
        let has = async |user: UserId| -> usize {
            store.inbox(ACCOUNT, user, Inbox::Unread, window()).await.unwrap().len()
        };
        let finds = async |user: UserId, text: &str| -> usize {
            let query = Query::parse(text).unwrap();
            store.search(ACCOUNT, Some(user), &query, None, 10).await.unwrap().len()
        };
        for (id, parent, is_read_between) in [("r1@c", "first@acme", false), ("r2@c", "r1@c", true)]
        {
            let reply = mail(id, CARL, ANN, &format!("In-Reply-To: <{parent}>\n"));
            world.arrives(&reply).await;
            if is_read_between {
                index::catch_up(store, &CancellationToken::new()).await.unwrap();
            }
            world.arrives_for(&reply, BOB).await;
            world.arrives_for(&reply, BOB).await;
            index::catch_up(store, &CancellationToken::new()).await.unwrap();
            for user in [USER, BOB] {
                assert_eq!(has(user).await, 1, "{id}");
                assert_eq!(finds(user, id).await, 1, "{id}");
            }
        }
        assert_eq!(world.fresh.count("messages").await, 3);
    }
}

/// T7.
#[tokio::test]
async fn a_folder_that_is_read_anew_files_nothing_twice() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("private@z", "zoe@z.example", ANN, ""));
        mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut mailbox, &mut inbox).await;
        let before = world.fresh.dump().await;
        mailbox.bodies.clear();
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert!(mailbox.bodies.is_empty());
        let after = world.fresh.dump().await;
        for table in ["messages", "verdicts", "events", "aliases"] {
            assert_eq!(before[table], after[table], "{table}");
        }
    }
}

/// T7.
#[tokio::test]
async fn a_lost_connection_moves_no_cursor() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("private@z", "zoe@z.example", ANN, ""));
        let cut = mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        mailbox.cut_at = Some(cut);
        let mut inbox = world.folder(FolderRole::Inbox).await;
        let lost =
            folder::catch_up(&world.way, &mut mailbox, &mut inbox, 3, &mut Caution::default())
                .await;
        assert!(matches!(lost, Err(Error::Lost(_))));
        assert_eq!(world.way.store.folders(ACCOUNT, CONNECTION).await.unwrap()[0].uid_next, 1);
        assert_eq!(world.reasons().await, ["filed"]);
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert_eq!(world.reasons().await, ["filed", "not_a_crm_thread", "filed"]);
    }
}

#[tokio::test]
async fn nothing_is_filed_through_a_connection_that_has_ended() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.fresh.sql("update connections set state = 'disconnected'").await;
        let ended =
            folder::catch_up(&world.way, &mut mailbox, &mut inbox, 2, &mut Caution::default())
                .await;
        assert!(matches!(ended, Err(Error::Ended)));
        assert_eq!(world.fresh.count("messages").await, 1);
    }
}

#[tokio::test]
async fn two_watchers_of_one_folder_do_not_both_move_its_cursor() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        let mut one = world.folder(FolderRole::Inbox).await;
        let mut other = one.clone();
        world.catch_up(&mut mailbox, &mut one).await;
        let late =
            folder::catch_up(&world.way, &mut mailbox, &mut other, 2, &mut Caution::default())
                .await;
        assert!(matches!(late, Err(Error::Lost(_))), "{late:?}");
        assert_eq!(world.fresh.count("messages").await, 2);
    }
}

#[tokio::test]
async fn a_mail_left_out_of_an_answer_is_asked_for_alone() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("private@z", "zoe@z.example", ANN, ""));
        let withheld = mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        mailbox.add(&mail("other@z", "zoe@z.example", ANN, ""));
        mailbox.withheld = vec![withheld];
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert_eq!(world.fresh.count("messages").await, 2);
    }
}

#[tokio::test]
async fn a_reply_to_a_rewritten_id_joins_and_one_sent_copy_is_one_message() {
    for world in worlds().await {
        let mut sent = Memory::default();
        sent.add(&mail("NEW@outlook", ANN, CARL, "X-Mailweave-Message-ID: <first@acme>\n"));
        let mut folder = world.folder(FolderRole::Sent).await;
        world.catch_up(&mut sent, &mut folder).await;
        assert!(sent.bodies.is_empty());
        assert_eq!(world.fresh.count("messages").await, 1);
        let mut inbox = Memory::default();
        inbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <NEW@outlook>\n"));
        let mut folder = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut inbox, &mut folder).await;
        assert_eq!(world.fresh.count("messages").await, 2);
        assert_eq!(world.fresh.count("threads").await, 1);
    }
}

#[tokio::test]
async fn a_thread_that_is_tracked_late_is_searched_for() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("late-reply@c", CARL, ANN, "In-Reply-To: <late@acme>\n"));
        mailbox.add(&mail("private@z", "zoe@z.example", ANN, ""));
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert_eq!(world.reasons().await, ["filed", "not_a_crm_thread", "not_a_crm_thread"]);

        // The smart BCC copy comes after the reply, and names an earlier mail.
        world.arrives(&mail("late@acme", ANN, CARL, "References: <older@acme>\n")).await;
        world.search(&mut mailbox, &mut inbox).await;
        assert!(world.way.store.connections_to_search().await.unwrap().is_empty());
        assert_eq!(world.fresh.count("messages").await, 3);
        // The mail has one verdict, and now it is this (V1).
        let mut reasons = world.reasons().await;
        reasons.sort();
        assert_eq!(reasons, ["filed", "filed", "filed", "not_a_crm_thread"]);
    }
}

/// T2: the order of arrival changes nothing, whatever was between.
#[tokio::test]
async fn an_answer_that_came_before_what_it_answers_is_found_after_a_restart() {
    for world in worlds().await {
        world.fresh.sql("delete from searches").await;
        let mut mailbox = Memory::default();
        mailbox.add(&mail("answer@c", CARL, ANN, "References: <older@c> <parent@c>\n"));
        let many: String = (0..90).map(|n| format!(" <{n}@z>")).collect();
        let many = format!("References:{many}\n");
        mailbox.add(&mail("private@z", "zoe@z.example", ANN, &many));
        let mut inbox = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert_eq!(world.reasons().await[1..], ["not_a_crm_thread", "not_a_crm_thread"]);
        assert_eq!(world.fresh.count("unclaimed").await, 2 + 20);

        let world = World { way: way(&world.fresh).await, ..world };
        mailbox.add(&mail("parent@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert_eq!(world.fresh.count("messages").await, 2);
        world.search(&mut mailbox, &mut inbox).await;
        assert_eq!(world.fresh.count("messages").await, 3);
        // What was claimed is claimed once: a further answer is searched for by nobody.
        mailbox.add(&mail("further@c", CARL, ANN, "In-Reply-To: <parent@c>\n"));
        world.catch_up(&mut mailbox, &mut inbox).await;
        assert_eq!(world.fresh.count("messages").await, 4);
        assert!(world.way.store.connections_to_search().await.unwrap().is_empty());

        let later = mailweave::clock::now().plus_seconds(31 * 24 * 3_600);
        world.way.store.expire_held(later).await.unwrap();
        assert_eq!(world.fresh.count("unclaimed").await, 0);
    }
}

/// T2: also where what it answers came by the other door, and only its copy is read in the mailbox.
#[tokio::test]
async fn an_answer_that_came_before_a_copy_of_what_it_answers_is_found() {
    for world in worlds().await {
        world.fresh.sql("delete from searches").await;
        let mut inbox = Memory::default();
        inbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <second@acme>\n"));
        let mut folder = world.folder(FolderRole::Inbox).await;
        world.catch_up(&mut inbox, &mut folder).await;
        let second = mail("second@acme", ANN, CARL, "In-Reply-To: <first@acme>\n");
        world.arrives(&second).await;
        assert_eq!(world.fresh.count("messages").await, 2);
        assert!(world.way.store.connections_to_search().await.unwrap().is_empty());
        let mut sent = Memory::default();
        sent.add(&second);
        let mut sent_folder = world.folder(FolderRole::Sent).await;
        world.catch_up(&mut sent, &mut sent_folder).await;
        world.search(&mut inbox, &mut folder).await;
        assert_eq!(world.fresh.count("messages").await, 3);
        assert_eq!(world.fresh.count("unclaimed").await, 0);
    }
}

/// M6, F13: each has its own threads, and no mail twice.
#[tokio::test]
async fn a_mailbox_that_three_have_connected_has_each_mail_once_where_it_belongs() {
    for world in worlds().await {
        let (bob, others) = (UserId(Uuid::from_u128(3)), SubAccountId(Uuid::from_u128(9)));
        world.fresh.add_account(others).await;
        let mut ways = vec![world.way];
        for (of, user, n) in [(ACCOUNT, bob, 71), (others, USER, 72)] {
            let id = ConnectionId(Uuid::from_u128(n));
            let (of, user, new) =
                (world.fresh.id(of.0), world.fresh.id(user.0), world.fresh.id(id.0));
            world.fresh.sql(&format!("insert into connections (sub_account, id, mailbox_id, user_id, provider, account, secret_version, state, created_at, connected_at) select {of}, {new}, {new}, {user}, provider, account, 0, 'active', 0, 0 from connections where id = {own}", own = world.fresh.id(CONNECTION.0))).await;
            let store = Arc::new(open(&world.fresh.url).await);
            let mut watched = store.watched().await.unwrap();
            watched.retain(|it| it.connection == id);
            ways.push(way_of(store, watched.remove(0)));
        }
        let mut mailbox = Memory::default();
        mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        for way in &ways {
            let (name, role) = ("INBOX".to_owned(), FolderRole::Inbox);
            let mut inbox = Folder { name, role, uid_validity: 9, uid_next: 1 };
            let (of, connection) = (way.watched.sub_account, way.watched.connection);
            way.store.set_folder(of, connection, &inbox).await.unwrap();
            let mut caution = Caution::default();
            folder::catch_up(way, &mut mailbox, &mut inbox, 2, &mut caution).await.unwrap();
        }
        let messages = "select message_id from messages order by message_id";
        assert_eq!(world.fresh.sql(messages).await, [["first@acme"], ["r1@c"]]);
        let of = world.fresh.id(others.0);
        let theirs = format!("select reason from verdicts where sub_account = {of}");
        assert_eq!(world.fresh.sql(&theirs).await, [["not_a_crm_thread"]]);
        assert_eq!(mailbox.bodies, [1], "it is fetched where it belongs");
    }
}

#[tokio::test]
async fn a_draft_is_no_mail_wherever_it_is_kept() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        mailbox.add(&mail("finished@acme", ANN, CARL, "In-Reply-To: <first@acme>\n"));
        let draft = mailbox.add(&mail("draft@acme", ANN, CARL, "In-Reply-To: <first@acme>\n"));
        mailbox.drafts = vec![draft];
        let mut other = world.folder(FolderRole::Other).await;
        world.catch_up(&mut mailbox, &mut other).await;
        assert_eq!(mailbox.bodies, [1]);
        assert_eq!(world.reasons().await, ["filed", "filed"]);
    }
}

#[tokio::test]
async fn the_searches_of_a_thread_go_with_it_when_two_prove_to_be_one() {
    for world in worlds().await {
        world.arrives(&mail("second@acme", ANN, CARL, "")).await;
        assert_eq!(world.fresh.count("threads").await, 2);
        let connection = world.fresh.id(CONNECTION.0);
        world.fresh.sql("delete from searches").await;
        world
            .fresh
            .sql(&format!(
                "insert into searches (sub_account, connection_id, thread_id, created_at) \
                select sub_account, {connection}, id, 5 from threads"
            ))
            .await;
        let both = "References: <first@acme> <second@acme>\n";
        world.arrives(&mail("both@acme", ANN, CARL, both)).await;
        assert_eq!(world.fresh.count("threads").await, 1);
        let searches = "select searches.created_at from searches join threads \
            on threads.id = searches.thread_id";
        assert_eq!(world.fresh.sql(searches).await, [["5"]]);
        assert_eq!(world.fresh.count("searches").await, 1);
    }
}

#[tokio::test]
async fn all_that_came_since_the_connection_is_new_however_much_it_is() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        for n in 1..=900 {
            mailbox.add(&mail(&format!("{n}@z"), "zoe@z.example", ANN, ""));
        }
        for came_before in [0, 230, 700, 899, 900] {
            mailbox.came_before = came_before;
            let begin = folder::beginning(&world.way, &mut mailbox, 901).await.unwrap();
            assert_eq!(begin, came_before + 1);
        }
        mailbox.mails.clear();
        assert_eq!(folder::beginning(&world.way, &mut mailbox, 901).await.unwrap(), 901);
    }
}

/// Text of so many bytes that hardly gets smaller.
fn dense(bytes: usize, mut seed: u64) -> String {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        char::from(b'0' + (seed >> 32) as u8 % 64)
    };
    let line = |_| (0..75).map(|_| next()).chain(['\n']).collect::<String>();
    (0..bytes / 76).map(line).collect()
}

#[tokio::test]
async fn what_memory_has_no_room_for_at_once_is_found_all_the_same() {
    for world in worlds().await {
        let mut mailbox = Memory::default();
        for n in 1..=7 {
            let whole = mail(&format!("r{n}@c"), CARL, ANN, "In-Reply-To: <first@acme>\n");
            mailbox.add(&(whole + dense(1_500_000, n).as_str()));
        }
        let mut inbox = world.folder(FolderRole::Inbox).await;
        inbox.uid_next = 8;
        let ids = [MessageId::parse("first@acme").unwrap()];
        folder::search(&world.way, &mut mailbox, &mut inbox, &ids).await.unwrap();
        assert_eq!(world.fresh.count("messages").await, 1 + 7);
    }
}

#[tokio::test]
async fn a_search_finds_what_is_there_whatever_the_server_says_of_its_day() {
    for world in worlds().await {
        let mut mailbox = Memory { has_absurd_dates: true, ..Memory::default() };
        mailbox.add(&mail("r1@c", CARL, ANN, "In-Reply-To: <first@acme>\n"));
        let mut inbox = world.folder(FolderRole::Inbox).await;
        inbox.uid_next = 2;
        let ids = [MessageId::parse("first@acme").unwrap()];
        folder::search(&world.way, &mut mailbox, &mut inbox, &ids).await.unwrap();
        assert_eq!(world.fresh.count("messages").await, 2);
    }
}

/// T8: also where the copy was not come upon but searched for.
#[tokio::test]
async fn where_a_search_finds_the_copy_is_where_sent_mail_is_kept() {
    for world in worlds().await {
        let connection = world.fresh.id(CONNECTION.0);
        world.fresh.sql(&format!(
            "insert into outbox (sub_account, id, conversation_id, user_id, kind, connection_id, \
                status, route, attempts, copy_wanted, created_at) \
            select sub_account, id, conversation_id, user_id, 'individual', {connection}, 'sent', \
                '{{\"from\":\"ann@acme.example\",\"recipients\":[]}}', 1, {no}, 0 from messages",
            no = if world.fresh.is_postgres() { "false" } else { "0" }
        )).await;
        let mut mailbox = Memory::default();
        mailbox.add(&mail("first@acme", ANN, CARL, "X-Mailweave-Message-ID: <first@acme>\n"));
        let mut other = world.folder(FolderRole::Other).await;
        other.uid_next = 2;
        let ids = [MessageId::parse("first@acme").unwrap()];
        folder::search(&world.way, &mut mailbox, &mut other, &ids).await.unwrap();
        let sent = world.way.store.sent_folder(ACCOUNT, CONNECTION).await.unwrap();
        assert_eq!(sent.as_ref(), Some(&other.name));
    }
}

#[tokio::test]
async fn a_search_that_finds_everything_looks_at_the_newest() {
    for world in worlds().await {
        let mut mailbox = Memory { finds_all: true, ..Memory::default() };
        for n in 1..=2_050 {
            mailbox.add(&mail(&format!("{n}@z"), "zoe@z.example", ANN, ""));
        }
        let mut inbox = world.folder(FolderRole::Inbox).await;
        inbox.uid_next = 2_051;
        let ids = [MessageId::parse("first@acme").unwrap()];
        folder::search(&world.way, &mut mailbox, &mut inbox, &ids).await.unwrap();
        assert_eq!(world.fresh.count("verdicts").await, 1 + 2_000);
    }
}

#[tokio::test]
async fn a_mail_is_left_out_when_it_alone_is_refused_and_in_no_outage() {
    for world in worlds().await {
        for (refused, passes) in
            [(vec![2], true), (vec![2, 3], true), (vec![2, 3, 4], false), (vec![1, 2, 3, 4], false)]
        {
            let mut mailbox = Memory { refused: refused.clone(), ..Memory::default() };
            for n in 1..=4 {
                mailbox.add(&mail(&format!("{n}@z"), "zoe@z.example", ANN, ""));
            }
            let mut inbox = world.folder(FolderRole::Inbox).await;
            inbox.uid_next = 2;
            world.way.store.set_folder(ACCOUNT, CONNECTION, &inbox).await.unwrap();
            let mut caution = Caution::default();
            for _ in 0..60 {
                let read =
                    folder::catch_up(&world.way, &mut mailbox, &mut inbox, 5, &mut caution).await;
                if read.is_err() {
                    caution.handle_trouble(Trouble::Refused);
                }
            }
            assert_eq!(inbox.uid_next == 5, passes, "{refused:?}: {}", inbox.uid_next);
        }
    }
}

/// V1: what is passed over is known with the cursor that passed it, and asked for once it is due.
#[tokio::test]
async fn a_mail_that_is_left_out_is_known_with_the_cursor_and_goes_with_its_user() {
    for world in worlds().await {
        let store = &world.way.store;
        let mut mailbox = Memory { refused: vec![2], ..Memory::default() };
        for n in 1..=3 {
            mailbox.add(&mail(&format!("{n}@z"), "zoe@z.example", ANN, ""));
        }
        let mut inbox = world.folder(FolderRole::Inbox).await;
        let mut caution = Caution::default();
        while inbox.uid_next < 4 {
            let read =
                folder::catch_up(&world.way, &mut mailbox, &mut inbox, 4, &mut caution).await;
            assert_eq!(world.fresh.count("withheld").await, usize::from(inbox.uid_next > 2));
            if read.is_err() {
                caution.handle_trouble(Trouble::Refused);
            }
        }
        world.fresh.sql("delete from searches").await;
        let (place, now) = ((ACCOUNT, CONNECTION), mailweave::clock::now());
        assert!(store.withheld(place, now).await.unwrap().is_empty(), "not at once");
        assert!(store.connections_to_search().await.unwrap().is_empty());
        world.fresh.sql("update withheld set next_at = 5").await;
        assert_eq!(store.connections_to_search().await.unwrap(), [place]);
        let due = store.withheld(place, now).await.unwrap().remove(0);
        assert_eq!((due.uid_validity, due.uid, due.tries), (9, 2, 0));
        let connection = store.connection(ACCOUNT, CONNECTION).await.unwrap().unwrap();
        assert_eq!(connection.withheld, 1);
        let said = mailweave::connect::detail(&connection).unwrap();
        assert!(said.contains("has a mail that it does not give"), "{said}");
        store.put_withheld_off(place, &due, now.plus_seconds(9)).await.unwrap();
        assert!(store.withheld(place, now).await.unwrap().is_empty());
        let later = store.withheld(place, now.plus_seconds(10)).await.unwrap().remove(0);
        assert_eq!(later.tries, 1);
        store.erase_user(ACCOUNT, USER, Mail::Erase, now).await.unwrap();
        assert_eq!(world.fresh.count("withheld").await, 0);
    }
}

#[tokio::test]
async fn what_is_asked_for_during_a_search_is_searched_for_again() {
    for world in worlds().await {
        let store = &world.way.store;
        world.fresh.sql("update searches set created_at = 5").await;
        let begun = store.searches(ACCOUNT, CONNECTION).await.unwrap()[0];
        // As if the thread were tracked only from the next mail on.
        world.fresh.sql("update threads set sync = 'none'").await;
        world.arrives(&mail("late@acme", ANN, CARL, "In-Reply-To: <first@acme>\n")).await;
        store.searched(ACCOUNT, CONNECTION, begun).await.unwrap();
        let left = store.searches(ACCOUNT, CONNECTION).await.unwrap();
        assert_eq!(left.len(), 1);
        store.searched(ACCOUNT, CONNECTION, left[0]).await.unwrap();
        assert!(store.searches(ACCOUNT, CONNECTION).await.unwrap().is_empty());
    }
}
