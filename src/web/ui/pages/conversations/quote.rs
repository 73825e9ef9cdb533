//! The mail that is answered, quoted below the answer as mail clients do.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::mail::{self, Limits};
use crate::model::{Message, Person, Time};
use crate::web::State;
use crate::web::error::Problem;
use crate::web::ui::people::Shown;
use crate::web::ui::{SignedIn, text};

/// What is quoted.
pub struct Quoted {
    /// `On Tuesday 3 March 2026 at 14:05, Ann <ann@x.example> wrote:`
    introduction: String,
    text: String,
}

/// As much of a mail as is quoted.
const CHARS_MAX: usize = 50_000;

/// Reads the mail that is answered.
pub async fn of(state: &State, signed_in: &SignedIn, message: &Message) -> Result<Quoted, Problem> {
    let of = signed_in.sub_account();
    let turn = state.raw_reads.turn().await;
    let raw = state.store.beginning(of, message.id).await?.unwrap_or_default();
    let author = message.forwarded_of().cloned();
    let read = tokio::task::spawn_blocking(move || quotable(&raw, author.as_ref()));
    let text: String =
        read.await.map_err(|_| Problem::internal())?.chars().take(CHARS_MAX).collect();
    drop(turn);
    let at = day(message.date.unwrap_or(message.at), &signed_in.user.time_zone);
    let author = message.from.as_ref().map(|from| Shown::person(from).line()).unwrap_or_default();
    Ok(Quoted { introduction: text::fill("compose.wrote", &[&at, &author]), text })
}

/// B6: of a forward, what was forwarded; the customer is not told what a colleague wrote above it.
fn quotable(raw: &[u8], author: Option<&Person>) -> String {
    mail::forward::text(mail::parse::read(raw, &Limits::default()), author)
}

/// The answer as text, with what is quoted below.
pub fn text(own: &str, quoted: Option<&Quoted>) -> String {
    let Some(quoted) = quoted else { return own.to_owned() };
    let lines = quoted.text.trim_end().lines();
    let lines = lines.map(|line| match line.starts_with('>') {
        true => format!(">{line}"),
        false => format!("> {line}").trim_end().to_owned(),
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("{}\n\n{}\n{lines}\n", own.trim_end(), quoted.introduction)
}

/// The answer as HTML; written without formats, from its text.
pub fn html(own: &str, own_text: &str, quoted: Option<&Quoted>) -> String {
    let own = if own.is_empty() { lines(own_text) } else { own.to_owned() };
    let Some(quoted) = quoted else { return format!("<div>{own}</div>") };
    format!(
        "<div>{own}</div><br><div>{}</div><blockquote style=\"margin:0 0 0 .8ex;\
         border-left:1px solid #ccc;padding-left:1ex\">{}</blockquote>",
        lines(&quoted.introduction),
        lines(quoted.text.trim_end())
    )
}

fn lines(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>"),
            '\r' => {}
            c => html.push(c),
        }
    }
    html
}

fn day(time: Time, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_microsecond(time.as_micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone).strftime(text::words("compose.wrote_at")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    #[test]
    fn the_note_of_who_forwarded_is_not_quoted() {
        let raw = include_bytes!("../../../../../tests/data/forwards/gmail_en.txt");
        let author = Address::parse("ann@example.com").map(Person::new);
        assert!(quotable(raw, None).contains("FYI"));
        assert_eq!(quotable(raw, author.as_ref()).trim(), "Could you send us an offer?");
    }

    #[test]
    fn what_is_answered_stands_below() {
        let quoted =
            Quoted { introduction: "On Monday, Ann wrote:".into(), text: "a < b\n> old\n".into() };
        assert_eq!(text("Yes\n", Some(&quoted)), "Yes\n\nOn Monday, Ann wrote:\n> a < b\n>> old\n");
        assert!(html("", "1 < 2", Some(&quoted)).starts_with("<div>1 &lt; 2</div>"));
        assert!(html("<b>x</b>", "x", Some(&quoted)).contains("a &lt; b<br>&gt; old</blockquote>"));
        assert_eq!(text("Yes", None), "Yes");
        // It is folded away again by whoever reads it.
        let whole = text(
            "Yes",
            Some(&Quoted {
                introduction: "On Tuesday 3 March 2026 at 14:05, Ann <ann@x.example> wrote:".into(),
                text: "old".into(),
            }),
        );
        assert_eq!(crate::mail::text::new_text(&whole), "Yes");
    }
}
