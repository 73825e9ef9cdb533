//! `mailweave explain`: why a mail is, or is not, in the CRM (V2), in words.

use serde::Serialize;
use uuid::Uuid;

use super::{Ending, Error, look_at_store, open_secrets, print, print_json, token};
use crate::config::Config;
use crate::model::verdict::explanation;
use crate::model::{
    Candidate, MessageId, Pepper, RecipientReport, SubAccountId, Time, TrustResults, Verdict,
};
use crate::store::{Store, Tables, VerdictFilter, Window};

/// More verdicts than this about one mail are not told.
const VERDICTS_MAX: i64 = 100;

/// Say what became of a mail, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mailweave explain '<CAF=x1@mail.example.com>'
  mailweave explain CAF=x1@mail.example.com --json

The Message-ID stands in the header of the mail (in Outlook: File, Properties, Internet headers).
Exit code 1: a mail of that id was never seen.")]
pub struct Arguments {
    /// The mail's Message-ID, with or without angle brackets
    #[arg(value_name = "MESSAGE-ID")]
    message_id: String,
    /// Look in this sub-account only
    #[arg(long, value_name = "ID")]
    sub_account: Option<SubAccountId>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// As the API says it, and whose it is.
#[derive(Serialize)]
struct Explained {
    sub_account_id: SubAccountId,
    id: Uuid,
    at: Time,
    door: &'static str,
    outcome: &'static str,
    reason: &'static str,
    rule: String,
    explanation: String,
    message_id: Option<MessageId>,
    user_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    stored_message_id: Option<Uuid>,
    candidates: Vec<Candidate>,
    report: Option<Report>,
    trust: Option<TrustResults>,
    expires_at: Option<Time>,
}

#[derive(Serialize)]
struct Report {
    recipients: Vec<Reported>,
}

/// What a delivery report says of one recipient.
#[derive(Serialize)]
struct Reported {
    address: String,
    status: Option<String>,
    hard: bool,
}

#[derive(Serialize)]
struct Answer {
    message_id: MessageId,
    verdicts: Vec<Explained>,
}

pub(super) async fn run(config: Config, arguments: Arguments) -> Result<Ending, Error> {
    let Some(message_id) = MessageId::parse(&arguments.message_id) else {
        return Err(Error::Usage(format!(
            "{:?} is no Message-ID; one looks like <CAF=x1@mail.example.com>",
            arguments.message_id
        )));
    };
    let store = look_at_store(&config).await?;
    if store.tables().await? != Tables::UpToDate {
        return Err(Error::Usage(
            "the store's tables are of another version: ask with the version that serves it, or run \
             `mailweave migrate`"
                .to_owned(),
        ));
    }
    let pepper = open_secrets(&config, &store).await?.pepper();
    let verdicts = find(&store, &pepper, &message_id, arguments.sub_account).await?;
    let ending = if verdicts.is_empty() { Ending::Bad } else { Ending::Good };
    if arguments.json {
        print_json(&Answer { message_id, verdicts })?;
    } else if verdicts.is_empty() {
        print(&never_seen(&message_id))?;
    } else {
        print(&verdicts.iter().map(in_words).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(ending)
}

async fn find(
    store: &Store,
    pepper: &Pepper,
    message_id: &MessageId,
    only: Option<SubAccountId>,
) -> Result<Vec<Explained>, Error> {
    let known = store.sub_accounts().await?;
    let mut asked: Vec<SubAccountId> = known.into_iter().map(|(id, _)| id).collect();
    if let Some(only) = only {
        if !asked.contains(&only) {
            return Err(token::unknown_sub_account(store, only).await?);
        }
        asked.retain(|id| *id == only);
    } else {
        asked.push(SubAccountId::OPERATOR);
    }
    let mut found = Vec::new();
    for sub_account in asked {
        let window = Window { after: None, limit: VERDICTS_MAX };
        let filter = VerdictFilter {
            message_id: Some(message_id.clone()),
            private_key: Some(pepper.key(sub_account, message_id)),
            ..VerdictFilter::default()
        };
        let verdicts = store.verdicts(sub_account, &filter, window).await?;
        found.extend(verdicts.into_iter().map(|verdict| explain(sub_account, verdict)));
    }
    Ok(found)
}

fn reported(it: RecipientReport) -> Reported {
    let status = it.named_status().map(str::to_owned);
    Reported { address: it.address, status, hard: it.hard }
}

fn explain(sub_account_id: SubAccountId, verdict: Verdict) -> Explained {
    let rule = verdict.matched.rule.clone();
    let report = Report { recipients: verdict.report.into_iter().map(reported).collect() };
    Explained {
        sub_account_id,
        id: verdict.id.0,
        at: verdict.at,
        door: verdict.door.name(),
        outcome: verdict.reason.outcome().name(),
        reason: verdict.reason.name(),
        rule: rule.unwrap_or_else(|| verdict.reason.rule().to_owned()),
        explanation: explanation(verdict.reason, &verdict.matched),
        message_id: verdict.message_id,
        user_id: verdict.user_id.map(|id| id.0),
        conversation_id: verdict.conversation_id.map(|id| id.0),
        stored_message_id: verdict.stored_message_id.map(|id| id.0),
        candidates: verdict.candidates,
        report: (!report.recipients.is_empty()).then_some(report),
        trust: verdict.trust,
        expires_at: verdict.expires_at,
    }
}

fn never_seen(message_id: &MessageId) -> String {
    format!(
        "A mail with the Message-ID <{message_id}> was never seen here.\n\
         Was it sent to the smart BCC address? If it was, look at what the sending server says: a mail\n\
         that is still on its way, or was refused before its content came, has no Message-ID here yet.\n"
    )
}

fn in_words(it: &Explained) -> String {
    let mut text = format!("{}\n", it.explanation);
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<13}{value}\n"));
    line("outcome", format!("{} ({}, rule {})", it.outcome, it.reason, it.rule));
    line("seen", format!("{} at the door {}", it.at.to_rfc3339(), it.door));
    line("sub-account", it.sub_account_id.to_string());
    if let Some(id) = it.user_id {
        line("user", id.to_string());
    }
    if let Some(id) = it.conversation_id {
        line("conversation", id.to_string());
    }
    if let Some(id) = it.stored_message_id {
        line("message", id.to_string());
    }
    for candidate in &it.candidates {
        line("candidate", candidate.email.clone());
    }
    for recipient in it.report.iter().flat_map(|report| &report.recipients) {
        line(
            "report",
            format!("{} {}", recipient.address, recipient.status.as_deref().unwrap_or_default()),
        );
    }
    if let Some(trust) = &it.trust {
        line("sender", sender(trust));
    }
    if let Some(at) = it.expires_at {
        line("expires", at.to_rfc3339());
    }
    line("verdict", it.id.to_string());
    text
}

/// What was checked of the sender (B2).
fn sender(trust: &TrustResults) -> String {
    let mut words = vec![trust.trust.name().to_owned()];
    let spf_domain = trust.spf_domain.as_deref().unwrap_or_default();
    words.extend(trust.spf.iter().map(|spf| format!("spf={spf} {spf_domain}").trim().to_owned()));
    words.extend(trust.dkim.iter().map(|dkim| format!("dkim={dkim}")));
    words.extend(trust.dmarc.iter().map(|dmarc| format!("dmarc={dmarc}")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Door, Matched, Reason, Trust, VerdictId};

    fn verdict() -> Verdict {
        let mut trust = TrustResults::without_checks(Trust::Unverified);
        trust.spf = Some("fail".to_owned());
        trust.spf_domain = Some("firm.example".to_owned());
        let (id, at) = (VerdictId(Uuid::nil()), Time::from_seconds(1_700_000_000));
        Verdict {
            matched: Matched { address: Some("bea@firm.example".to_owned()), ..Matched::default() },
            message_id: MessageId::parse("offer@firm.example"),
            trust: Some(trust),
            ..Verdict::new(id, at, Door::Smtp, Reason::UnverifiedSender)
        }
    }

    #[test]
    fn says_what_became_of_a_mail_and_why() {
        let text = in_words(&explain(SubAccountId::OPERATOR, verdict()));
        for words in [
            "Held: the mail says it is from bea@firm.example",
            "held (unverified_sender, rule B2)",
            "2023-11-14T22:13:20.000Z at the door smtp",
            "unverified, spf=fail firm.example",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn the_json_has_the_fields_of_the_api() {
        let json = serde_json::to_value(explain(SubAccountId::OPERATOR, verdict())).unwrap();
        for field in ["id", "at", "door", "outcome", "reason", "rule", "explanation", "message_id"]
        {
            assert!(json[field].is_string(), "{field}: {json}");
        }
        assert!(json["report"].is_null() && json["candidates"].is_array());
    }
}
