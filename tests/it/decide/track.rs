//! Mail found in a connected mailbox: what belongs to a CRM thread, and what nobody may see (T1 to T9, B8).

use mailweave::decide::{self, Change, Decision, Fetched, Found, Part, Tracked};
use mailweave::mail::Automatic;
use mailweave::model::settings::Settings;
use mailweave::model::{
    Address, ConnectionId, Direction, Door, FolderRole, Kind, Reason, RecipientReport, Sync, Time,
};
use uuid::Uuid;

use super::build::*;

const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(70));
/// When the server got the mails that are found.
const RECEIVED_AT: Time = Time::from_seconds(1_700_000_000);
const CUSTOMER: &str = "carl@customer.example";

/// A world in which Ann's mailbox is connected, and her mail `first@x` to Carl was filed by smart BCC.
fn tracked() -> World {
    let mut world = world();
    world.facts.accounts.get_mut(&ACCOUNT).unwrap().connections.insert(ANN, CONNECTION);
    world.with(mail("first@x").to(CUSTOMER).index(5))
}

fn with_sync(mut world: World, sync: Sync) -> World {
    let account = world.facts.accounts.get_mut(&ACCOUNT).unwrap();
    account.threads.values_mut().for_each(|thread| thread.sync = sync);
    world
}

fn found(mut mail: Mail, folder: FolderRole, fetched: Fetched) -> Mail {
    mail.submission.door = Door::Imap;
    mail.submission.found = Some(Found {
        connection: CONNECTION,
        mailbox: None,
        folder,
        knows_sent: true,
        received_at: Some(RECEIVED_AT),
        fetched,
        reports_on: Vec::new(),
    });
    mail
}

/// Carl's mail, found in Ann's inbox.
fn reply(fetched: Fetched) -> Mail {
    found(mail("reply@c").from(CUSTOMER).to("ann@ours.example"), FolderRole::Inbox, fetched)
}

fn track(world: &mut World, mail: Mail) -> Tracked {
    let tracked = decide::track(&world.facts, &mail.submission, &mut world.ids).unwrap();
    if let Tracked::Decided(decision) = &tracked {
        world.facts.apply(decision);
    }
    tracked
}

fn decided(tracked: Tracked) -> Decision {
    match tracked {
        Tracked::Decided(decision) => *decision,
        other => panic!("{other:?}"),
    }
}

fn needs(tracked: &Tracked) -> Option<Part> {
    match tracked {
        Tracked::Needs(part) => Some(*part),
        _ => None,
    }
}

#[test]
fn a_copy_at_the_smart_bcc_address_opens_a_tracked_thread() {
    let world = tracked();
    let account = &world.facts.accounts[&ACCOUNT];
    let thread = account.threads.values().next().unwrap();
    assert_eq!((thread.sync, thread.connection), (Sync::Tracked, Some(CONNECTION)));
    let off = self::world().settings(|it| it.bcc_starts_thread = false);
    let mut off = off;
    off.facts.accounts.get_mut(&ACCOUNT).unwrap().connections.insert(ANN, CONNECTION);
    let off = off.with(mail("first@x").to(CUSTOMER));
    let thread = off.facts.accounts[&ACCOUNT].threads.values().next().unwrap();
    assert_eq!((thread.sync, thread.connection), (Sync::None, None));
}

#[test]
fn a_late_copy_has_the_mailbox_searched_and_a_fresh_one_has_not() {
    let searches = |mail: Mail| {
        let mut world = world();
        world.facts.accounts.get_mut(&ACCOUNT).unwrap().connections.insert(ANN, CONNECTION);
        let decision = world.judge(mail);
        decision
            .changes
            .iter()
            .any(|change| matches!(change, Change::TrackThread { search: true, .. }))
    };
    // An answer may be there before the copy is: machines answer in a second.
    assert!(searches(mail("a@x").to(CUSTOMER)));
    assert!(searches(mail("a@x").to(CUSTOMER).answers("earlier@c")));
    assert!(searches(mail("a@x").to(CUSTOMER).email(|it| it.headers.date = None)));
}

#[test]
fn private_mail_leaves_nothing_but_a_key() {
    let mut world = tracked();
    let mail = reply(Fetched::Ids);
    let key = mail.submission.private_key();
    let decision = decided(track(&mut world, mail));
    let verdict = &decision.verdict;
    assert_eq!(verdict.reason, Reason::NotACrmThread);
    assert_eq!((&verdict.message_id, verdict.private_key), (&None, Some(key)));
    assert!(verdict.matched.address.is_none() && verdict.expires_at.is_some());
    assert!(decision.changes.is_empty() && decision.events.is_empty(), "{decision:?}");
}

#[test]
fn a_reply_is_wanted_by_its_header_and_filed_once_it_is_whole() {
    for answer in [reply as fn(Fetched) -> Mail, |fetched| {
        reply(fetched).trust(mailweave::model::Trust::Unverified)
    }] {
        let mut world = tracked();
        let header = answer(Fetched::Ids).answers("first@x");
        assert_eq!(needs(&track(&mut world, header)), Some(Part::Whole));
        let decision = decided(track(&mut world, answer(Fetched::Whole).answers("first@x")));
        assert_eq!(decision.verdict.reason, Reason::Filed);
        let message = message(&decision);
        assert_eq!(message.direction, Some(Direction::Inbound));
        assert_eq!(message.user_id, Some(ANN));
        assert!(matches!(
            track(&mut world, answer(Fetched::Ids).answers("first@x")),
            Tracked::SeenBefore
        ));
    }
}

#[test]
fn what_the_user_writes_in_outlook_goes_out() {
    let mut world = tracked();
    let mail = mail("answer@o").to(CUSTOMER).names("other@z first@x");
    let decision = decided(track(&mut world, found(mail, FolderRole::Sent, Fetched::Whole)));
    assert_eq!(message(&decision).direction, Some(Direction::Outbound));
}

#[test]
fn a_stranger_on_the_thread_becomes_a_participant_and_no_contact() {
    let mut world = tracked();
    let stranger = reply(Fetched::Whole).from("dora@customer.example").answers("first@x");
    let decision = decided(track(&mut world, stranger));
    assert_eq!(decision.verdict.reason, Reason::Filed);
    assert!(new_contacts(&decision).is_empty());
    let extends = |change: &Change| {
        matches!(change, Change::ExtendThread { participants, .. }
        if participants.contains(&"dora@customer.example".to_owned()))
    };
    assert!(decision.changes.iter().any(extends));
}

#[test]
fn a_stopped_thread_gets_nothing_more() {
    let mut world = with_sync(tracked(), Sync::Stopped);
    let decision = decided(track(&mut world, reply(Fetched::Ids).answers("first@x")));
    assert_eq!(decision.verdict.reason, Reason::ThreadStopped);
    assert!(decision.verdict.message_id.is_none() && decision.changes.is_empty());
    let mut world = with_sync(tracked(), Sync::None);
    let decision = decided(track(&mut world, reply(Fetched::Ids).answers("first@x")));
    assert_eq!(decision.verdict.reason, Reason::NotACrmThread);
}

#[test]
fn a_thread_index_joins_only_with_somebody_of_the_thread() {
    let mut world = tracked();
    let unknown = |fetched| reply(fetched).from("zoe@z.example").to("yan@z.example").index(5);
    assert_eq!(needs(&track(&mut world, unknown(Fetched::Ids))), Some(Part::People));
    let decision = decided(track(&mut world, unknown(Fetched::People)));
    assert_eq!(decision.verdict.reason, Reason::NotACrmThread);
    assert_eq!(needs(&track(&mut world, reply(Fetched::Ids).index(5))), Some(Part::Whole));
}

#[test]
fn a_contact_is_followed_only_when_the_switch_says_so() {
    let new = || reply(Fetched::Ids);
    let mut off = tracked();
    assert_eq!(decided(track(&mut off, new())).verdict.reason, Reason::NotACrmThread);
    let mut on = tracked().settings(|it| it.follow_contacts = true);
    assert_eq!(needs(&track(&mut on, new())), Some(Part::People));
    assert_eq!(needs(&track(&mut on, reply(Fetched::People))), Some(Part::Whole));
    let decision = decided(track(&mut on, reply(Fetched::Whole)));
    assert_eq!(decision.verdict.reason, Reason::Filed);
    assert_eq!(decision.verdict.matched.rule.as_deref(), Some("T9"));
    let mut on = tracked().settings(|it| it.follow_contacts = true).never_log(CUSTOMER);
    let decision = decided(track(&mut on, reply(Fetched::People)));
    assert_eq!(decision.verdict.reason, Reason::NotACrmThread);
}

#[test]
fn a_contact_is_followed_from_the_moment_the_switch_is_on() {
    let follows = |on: Time, received_at: Option<Time>| {
        let mut world = tracked().settings(|it| it.set_follow_contacts(true, on));
        let mut mail = reply(Fetched::Ids);
        mail.submission.found.as_mut().unwrap().received_at = received_at;
        needs(&track(&mut world, mail)) == Some(Part::People)
    };
    assert!(follows(RECEIVED_AT, Some(RECEIVED_AT)));
    // Servers tell the second in which a mail came.
    let within = Time::from_micros(RECEIVED_AT.as_micros() + 999_999);
    assert!(follows(within, Some(RECEIVED_AT)));
    assert!(!follows(RECEIVED_AT.plus_seconds(1), Some(RECEIVED_AT)));
    assert!(follows(RECEIVED_AT.plus_seconds(1), None), "a server that does not say");

    let mut settings = Settings::default();
    settings.set_follow_contacts(true, RECEIVED_AT);
    settings.set_follow_contacts(true, RECEIVED_AT.plus_seconds(9));
    assert_eq!(settings.follow_contacts_since, Some(RECEIVED_AT), "it was on");
    settings.set_follow_contacts(false, RECEIVED_AT);
    assert_eq!(settings, Settings::default());
}

#[test]
fn a_never_logged_address_is_not_kept_in_a_thread_either() {
    let mut world = tracked().never_log(CUSTOMER);
    let decision = decided(track(&mut world, reply(Fetched::Ids).answers("first@x")));
    assert_eq!(decision.verdict.reason, Reason::NeverLog);
    assert!(decision.verdict.message_id.is_none());
}

#[test]
fn an_auto_reply_is_filed_and_marked() {
    let mut world = tracked();
    let away =
        reply(Fetched::Whole).answers("first@x").automatic(Automatic::AutoReply("auto-submitted"));
    let decision = decided(track(&mut world, away));
    assert_eq!(message(&decision).kind, Kind::AutoReply);
}

#[test]
fn a_delivery_report_marks_the_mail_it_reports_on() {
    let mut world = tracked();
    let report = |fetched, on: &str, hard| {
        let entry =
            RecipientReport { address: CUSTOMER.to_owned(), status: "5.1.1".to_owned(), hard };
        let mut mail = found(mail("dsn@c"), FolderRole::Inbox, fetched)
            .from("mailer-daemon@c.example")
            .automatic(Automatic::DeliveryReport)
            .email(|it| it.report = vec![entry]);
        mail.submission.found.as_mut().unwrap().reports_on = ids(on);
        mail
    };
    assert_eq!(needs(&track(&mut world, report(Fetched::Ids, "", true))), Some(Part::People));
    assert_eq!(
        needs(&track(&mut world, report(Fetched::People, "first@x", true))),
        Some(Part::Whole)
    );
    let private = decided(track(&mut world, report(Fetched::People, "private@x", true)));
    assert_eq!(private.verdict.reason, Reason::NotACrmThread);
    assert!(private.verdict.report.is_empty());
    let bounced = |decision: &Decision| {
        decision.changes.iter().any(|change| matches!(change, Change::Bounced { .. }))
    };
    let mut delayed = tracked();
    assert!(!bounced(&decided(track(&mut delayed, report(Fetched::Whole, "first@x", false)))));
    let mut world = tracked();
    let decision = decided(track(&mut world, report(Fetched::Whole, "first@x", true)));
    assert!(bounced(&decision));
    assert_eq!(message(&decision).kind, Kind::DeliveryReport);
}

#[test]
fn the_sent_copy_with_another_id_is_the_same_message() {
    let copy = |folder| {
        found(mail("NEW@PROD.OUTLOOK.COM").to(CUSTOMER), folder, Fetched::Ids)
            .email(|it| it.headers.original_ids = ids("first@x"))
    };
    let mut world = tracked();
    let decision = decided(track(&mut world, copy(FolderRole::Sent)));
    assert_eq!(decision.verdict.reason, Reason::Duplicate);
    let seen = |change: &Change| matches!(change, Change::SentCopySeen { .. });
    assert!(decision.changes.iter().any(seen));
    assert!(matches!(track(&mut world, copy(FolderRole::Sent)), Tracked::SeenBefore));
    let answer = reply(Fetched::Ids).answers("NEW@PROD.OUTLOOK.COM");
    assert_eq!(needs(&track(&mut world, answer)), Some(Part::Whole));

    let mut world = tracked();
    let decision = decided(track(&mut world, copy(FolderRole::Inbox)));
    assert_eq!(decision.verdict.reason, Reason::NotACrmThread, "anybody can write that header");
}

#[test]
fn what_somebody_took_out_does_not_come_back_from_another_folder() {
    use mailweave::decide::facts::PrivateFact;

    let mail = || reply(Fetched::Ids).answers("first@x");
    let key = mail().submission.message_id.key();
    assert!(mail().submission.question().private_keys.contains(&key));
    let mut world = tracked();
    assert_eq!(needs(&track(&mut world, mail())), Some(Part::Whole));
    let private = &mut world.facts.accounts.get_mut(&ACCOUNT).unwrap().private;
    private.insert(key, vec![PrivateFact { user: Some(ANN), sent: false }]);
    assert!(matches!(track(&mut world, mail()), Tracked::SeenBefore));
}

#[test]
fn a_sent_copy_is_seen_after_the_mail_itself_came_to_a_user_too() {
    let seen = |found: &Tracked| match found {
        Tracked::Decided(decision) => {
            decision.changes.iter().any(|change| matches!(change, Change::SentCopySeen { .. }))
        }
        _ => false,
    };
    for is_renamed in [false, true] {
        let found = |folder, id| {
            found(mail(id).to(CUSTOMER).cc("ann@ours.example"), folder, Fetched::Whole)
        };
        let copy = || match is_renamed {
            true => found(FolderRole::Sent, "NEW@PROD.OUTLOOK.COM")
                .email(|it| it.headers.original_ids = ids("first@x")),
            false => found(FolderRole::Sent, "first@x"),
        };
        let mut world = tracked();
        for fact in world.facts.accounts.get_mut(&ACCOUNT).unwrap().ids.values_mut().flatten() {
            (fact.lacks_copy, fact.doors) = (true, fact.doors.with(Door::Send));
        }
        let came = track(&mut world, found(FolderRole::Inbox, "first@x"));
        assert!(!seen(&came), "it is in the Inbox");
        assert!(seen(&track(&mut world, copy())), "renamed: {is_renamed}");
        assert!(matches!(track(&mut world, copy()), Tracked::SeenBefore));
    }
}

#[test]
fn mail_in_the_sent_folder_speaks_for_its_author() {
    use mailweave::decide::facts::PrivateFact;
    use mailweave::model::Trust;

    let unproved = || mail("a@x").to(CUSTOMER).trust(Trust::Unverified);
    let key = unproved().submission.private_key();
    assert_eq!(tracked().judge(unproved()).verdict.reason, Reason::UnverifiedSender);
    for (user, sent, reason) in [
        (ANN, true, Reason::Filed),
        (ANN, false, Reason::UnverifiedSender),
        (BEN, true, Reason::UnverifiedSender),
    ] {
        let mut world = tracked();
        let private = &mut world.facts.accounts.get_mut(&ACCOUNT).unwrap().private;
        private.insert(key, vec![PrivateFact { user: Some(user), sent }]);
        assert_eq!(world.judge(unproved()).verdict.reason, reason);
    }
    let mut world = tracked();
    let sent = found(mail("b@x").to(CUSTOMER), FolderRole::Sent, Fetched::Ids);
    let decision = decided(track(&mut world, sent));
    assert!(decision.changes.iter().any(|change| matches!(change, Change::AskAgain { .. })));
    let sent = found(mail("c@x").to(CUSTOMER).answers("first@x"), FolderRole::Sent, Fetched::Whole);
    let mut world = tracked();
    let filed = decided(track(&mut world, sent));
    assert_eq!(filed.verdict.reason, Reason::Filed);
    assert!(filed.changes.iter().any(|change| matches!(change, Change::AskAgain { .. })));
}

#[test]
fn a_copy_is_known_elsewhere_only_by_its_author_and_until_its_folder_is() {
    let ann = Some(Address::parse("ann@outlook.example").unwrap());
    let copy = |from: &str, knows_sent| {
        let mut mail =
            found(mail("NEW@x").from(from).to(CUSTOMER), FolderRole::Other, Fetched::Ids)
                .email(|it| it.headers.original_ids = ids("first@x"));
        let found = mail.submission.found.as_mut().unwrap();
        (found.knows_sent, found.mailbox) = (knows_sent, ann.clone());
        mail
    };
    for (from, knows_sent, is_copy) in [
        ("ann@ours.example", false, true),
        ("ann@private.example", false, true),
        ("ann@outlook.example", false, true),
        ("ann@ours.example", true, false),
        ("ben@ours.example", false, false),
        (CUSTOMER, false, false),
    ] {
        let tracked = track(&mut tracked(), copy(from, knows_sent));
        let is_seen = match &tracked {
            Tracked::Decided(decision) => {
                let mut changes = decision.changes.iter();
                changes.any(|change| matches!(change, Change::SentCopySeen { .. }))
            }
            _ => false,
        };
        assert_eq!(is_seen, is_copy, "{from} {knows_sent}: {tracked:?}");
    }
}
