//! What another setting would have done to the mail of the last 30 days. Pure: the mail as it was and both
//! settings in, sentences out.

use crate::model::Settings;
use crate::model::settings::{BulkSender, OversizeAttachment, UntrustedSender};
use crate::store::{AccountSettings, RecentFile, RecentMail, RecentMessage};
use crate::web::ui::text;

/// One setting that changes, and what it would have done.
#[derive(Debug, PartialEq, Eq)]
pub struct Effect {
    /// What changes, by the name of the switch.
    pub switch: &'static str,
    pub sentence: String,
}

impl Effect {
    /// What changes, in words.
    pub fn name(&self) -> &'static str {
        text::known(&format!("settings.name_{}", self.switch)).unwrap_or(self.switch)
    }
}

/// What changes between the two, and what it would have done.
pub fn effects(
    before: &AccountSettings,
    after: &AccountSettings,
    mail: &RecentMail,
) -> Vec<Effect> {
    let (old, new) = (&before.switches, &after.switches);
    let changed = [
        (old.untrusted_sender != new.untrusted_sender).then(|| untrusted(new, mail)),
        (old.colleague_domains != new.colleague_domains).then(|| colleagues(old, new, mail)),
        (before.never_log != after.never_log).then(|| never_log(before, after, mail)),
        (old.contacts_from_cc != new.contacts_from_cc).then(|| from_cc(new, mail)),
        (old.bcc_starts_thread != new.bcc_starts_thread).then(|| starts_thread(new, mail)),
        (old.follow_contacts != new.follow_contacts).then(|| follow(new, mail)),
        (old.bulk_sender != new.bulk_sender).then(|| bulk(new, mail)),
        (old.attachment_limit != new.attachment_limit
            || old.oversize_attachment != new.oversize_attachment)
            .then(|| sizes(old, new, mail)),
        (old.attachment_types != new.attachment_types).then(|| types(old, new, mail)),
    ];
    changed.into_iter().flatten().collect()
}

fn words(key: &str) -> String {
    text::words(key).to_owned()
}

fn count<'a>(mail: &'a RecentMail, fits: impl Fn(&'a RecentMessage) -> bool) -> usize {
    mail.messages.iter().filter(|message| fits(message)).count()
}

fn verdicts(mail: &RecentMail, reasons: &[&str]) -> i64 {
    reasons.iter().filter_map(|reason| mail.verdicts.get(*reason)).sum()
}

fn untrusted(new: &Settings, mail: &RecentMail) -> Effect {
    let sentence = match new.untrusted_sender {
        UntrustedSender::Accept => {
            let held = verdicts(mail, &["unverified_sender", "unknown_sender"]);
            text::with("settings.effect_accept", held)
        }
        UntrustedSender::Hold => text::with("settings.effect_hold", mail.unproved),
    };
    Effect { switch: "untrusted_sender", sentence }
}

fn domain(email: &str) -> &str {
    email.rsplit_once('@').map_or("", |(_, domain)| domain)
}

fn colleagues(old: &Settings, new: &Settings, mail: &RecentMail) -> Effect {
    let is_in = |list: &[String], email: &String| list.iter().any(|it| it == domain(email));
    let internal = count(mail, |message| {
        let is_colleague = |email: &String| is_in(&new.colleague_domains, email);
        message.is_outbound
            && message
                .to
                .iter()
                .any(|email| is_colleague(email) && !is_in(&old.colleague_domains, email))
            && message.to.iter().all(is_colleague)
    });
    let fewer = count(mail, |message| {
        message.is_outbound
            && message.to.iter().any(|email| is_in(&new.colleague_domains, email))
            && !message.to.iter().all(|email| is_in(&new.colleague_domains, email))
    });
    let freed = verdicts(mail, &["internal_only"]);
    let is_less = old.colleague_domains.iter().any(|it| !new.colleague_domains.contains(it));
    let mut sentence = text::with("settings.effect_internal", internal);
    sentence = format!("{sentence} {}", text::with("settings.effect_fewer_contacts", fewer));
    if is_less {
        sentence = format!("{sentence} {}", text::with("settings.effect_freed", freed));
    }
    Effect { switch: "colleague_domains", sentence }
}

fn never_log(before: &AccountSettings, after: &AccountSettings, mail: &RecentMail) -> Effect {
    let is_on = |list: &[String], email: &String| {
        let domain = format!("@{}", domain(email));
        list.iter().any(|entry| entry == email || *entry == domain)
    };
    let unseen = count(mail, |message| {
        !message.to.is_empty()
            && message.to.iter().all(|email| is_on(&after.never_log, email))
            && !message.to.iter().all(|email| is_on(&before.never_log, email))
    });
    let mut sentence = text::with("settings.effect_never_log", unseen);
    if before.never_log.iter().any(|entry| !after.never_log.contains(entry)) {
        let freed = verdicts(mail, &["never_log"]);
        sentence = format!("{sentence} {}", text::with("settings.effect_freed", freed));
    }
    Effect { switch: "never_log", sentence }
}

fn from_cc(new: &Settings, mail: &RecentMail) -> Effect {
    let outbound = mail.messages.iter().filter(|message| message.is_outbound);
    let mut people: Vec<&str> = outbound
        .flat_map(|message| &message.cc)
        .filter(|(_, is_contact)| *is_contact != new.contacts_from_cc)
        .map(|(email, _)| email.as_str())
        .collect();
    people.sort_unstable();
    people.dedup();
    let key = match new.contacts_from_cc {
        true => "settings.effect_cc_on",
        false => "settings.effect_cc_off",
    };
    Effect { switch: "contacts_from_cc", sentence: text::with(key, people.len()) }
}

fn starts_thread(new: &Settings, mail: &RecentMail) -> Effect {
    let copies = count(mail, |message| message.is_smart_bcc && message.is_outbound);
    let key = match new.bcc_starts_thread {
        true => "settings.effect_thread_on",
        false => "settings.effect_thread_off",
    };
    Effect { switch: "bcc_starts_thread", sentence: text::with(key, copies) }
}

fn follow(new: &Settings, mail: &RecentMail) -> Effect {
    let sentence = match new.follow_contacts {
        true => text::with("settings.effect_follow_on", verdicts(mail, &["not_a_crm_thread"])),
        false => words("settings.effect_follow_off"),
    };
    Effect { switch: "follow_contacts", sentence }
}

fn bulk(new: &Settings, mail: &RecentMail) -> Effect {
    let sentence = match new.bulk_sender {
        BulkSender::AlwaysProvider => {
            text::with("settings.effect_bulk_relay", mail.bulk_by_mailbox)
        }
        BulkSender::MailboxWhenFromMatches => {
            text::with("settings.effect_bulk_mailbox", mail.bulk_from_mailbox)
        }
    };
    Effect { switch: "bulk_sender", sentence }
}

fn sizes(old: &Settings, new: &Settings, mail: &RecentMail) -> Effect {
    let is_over = |limit: u64| move |file: &RecentFile| file.size > limit;
    let limit = new.attachment_limit;
    let leaves_out = new.oversize_attachment == OversizeAttachment::SkipMessage;
    let left_out = count(mail, |message| {
        !message.is_left_out && leaves_out && message.files.iter().any(is_over(limit))
    });
    let let_in = count(mail, |message| {
        message.is_left_out && (!leaves_out || !message.files.iter().any(is_over(limit)))
    });
    let files = mail.messages.iter().filter(|message| !message.is_left_out);
    let dropped = files.flat_map(|message| &message.files).filter(|file| {
        !leaves_out && file.is_stored && file.size > limit && file.size <= old.attachment_limit
    });
    let parts = [
        text::with("settings.effect_left_out", left_out),
        text::with("settings.effect_let_in", let_in),
        text::with("settings.effect_dropped", dropped.count()),
    ];
    Effect { switch: "attachment_limit", sentence: parts.join(" ") }
}

fn types(old: &Settings, new: &Settings, mail: &RecentMail) -> Effect {
    let extension = |file: &RecentFile| {
        let name = file.name.rsplit_once('.').map_or("", |(_, extension)| extension);
        name.to_ascii_lowercase()
    };
    let files = || mail.messages.iter().flat_map(|message| &message.files);
    let is_new =
        |it: &String| new.attachment_types.contains(it) && !old.attachment_types.contains(it);
    let is_gone =
        |it: &String| !new.attachment_types.contains(it) && old.attachment_types.contains(it);
    let kept = files().filter(|file| {
        !file.is_stored
            && file.reason.as_deref() == Some("type_not_allowed")
            && is_new(&extension(file))
    });
    let dropped = files().filter(|file| file.is_stored && is_gone(&extension(file)));
    let parts = [
        text::with("settings.effect_types_kept", kept.count()),
        text::with("settings.effect_types_dropped", dropped.count()),
    ];
    Effect { switch: "attachment_types", sentence: parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(to: &[&str]) -> RecentMessage {
        RecentMessage {
            is_left_out: false,
            is_outbound: true,
            is_smart_bcc: true,
            to: to.iter().map(|it| (*it).to_owned()).collect(),
            cc: vec![("c@x.example".to_owned(), false), ("d@x.example".to_owned(), true)],
            files: Vec::new(),
        }
    }

    fn file(name: &str, size: u64, reason: Option<&str>) -> RecentFile {
        RecentFile {
            name: name.to_owned(),
            size,
            is_stored: reason.is_none(),
            reason: reason.map(str::to_owned),
        }
    }

    fn one(change: impl Fn(&mut AccountSettings), mail: &RecentMail) -> String {
        let before = AccountSettings::default();
        let mut after = before.clone();
        change(&mut after);
        let [effect]: [Effect; 1] = effects(&before, &after, mail).try_into().unwrap();
        effect.sentence
    }

    #[test]
    fn counts_what_each_switch_would_have_done() {
        let mut mail = RecentMail {
            messages: vec![
                message(&["ann@partner.example"]),
                message(&["ann@partner.example", "bob@client.example"]),
                message(&["bob@client.example"]),
            ],
            unproved: 4,
            bulk_by_mailbox: 6,
            ..RecentMail::default()
        };
        mail.verdicts.insert("unknown_sender".to_owned(), 2);
        mail.verdicts.insert("unverified_sender".to_owned(), 5);
        mail.verdicts.insert("not_a_crm_thread".to_owned(), 40);
        mail.messages[2].files = vec![
            file("plan.pdf", 2_000_000, None),
            file("plan.xlsx", 10, Some("type_not_allowed")),
        ];
        let says = |sentence: String, words: &str| assert!(sentence.contains(words), "{sentence}");
        says(one(|it| it.switches.untrusted_sender = UntrustedSender::Accept, &mail), ": 7.");
        says(
            one(|it| it.switches.colleague_domains = vec!["partner.example".to_owned()], &mail),
            ": 1.",
        );
        says(one(|it| it.never_log = vec!["@client.example".to_owned()], &mail), ": 1.");
        says(one(|it| it.switches.contacts_from_cc = true, &mail), ": 1.");
        says(one(|it| it.switches.bcc_starts_thread = false, &mail), ": 3.");
        says(one(|it| it.switches.follow_contacts = true, &mail), ": 40.");
        says(one(|it| it.switches.bulk_sender = BulkSender::AlwaysProvider, &mail), ": 6.");
        says(one(|it| it.switches.attachment_limit = 1_000_000, &mail), ": 1.");
        says(one(|it| it.switches.attachment_types.push("xlsx".to_owned()), &mail), ": 1.");
        assert!(
            effects(&AccountSettings::default(), &AccountSettings::default(), &mail).is_empty()
        );
    }
}
