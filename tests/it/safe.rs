//! HTML of mail, made safe: what comes out can run nothing, loads nothing that was not asked for, and is
//! what went in for all that is harmless (B15, B16, D1, D3, D4, D5).

use std::sync::Arc;

use mailweave::mail::safe::{self, Pictures, Remote, Safe};
use proptest::prelude::*;

use crate::support::vectors::VECTORS;

fn blocked(html: &str) -> Safe {
    safe::html(html, &Arc::default(), Remote::Blocked)
}

/// The tags of HTML that a serialiser wrote: names, and attributes with their values.
fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let tag = |piece: &str| {
        let inside = piece.split('>').next().unwrap();
        let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
        let mut attributes = Vec::new();
        while let Some((attribute, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').expect(inside);
            attributes.push((attribute.trim().to_owned(), value.to_owned()));
            rest = after;
        }
        assert_eq!(rest.trim(), "", "{inside}");
        (name.trim_start_matches('/').to_owned(), attributes)
    };
    html.split('<').skip(1).map(tag).collect()
}

/// Holds what came out against the rules that the frame's policy is the second wall of.
fn assert_harmless(html: &str, remote: Remote) {
    for (name, attributes) in tags(html) {
        let forbidden = [
            "script", "style", "iframe", "object", "embed", "link", "meta", "base", "form",
            "input", "button", "svg", "math", "video", "audio", "source", "template", "frame",
            "body",
        ];
        assert!(!forbidden.contains(&name.as_str()), "{name} in {html}");
        for (attribute, value) in attributes {
            assert!(!attribute.starts_with("on"), "{attribute} in {html}");
            let lower = value.to_ascii_lowercase();
            match attribute.as_str() {
                "href" => assert!(
                    ["http://", "https://", "mailto:"].iter().any(|it| lower.starts_with(it)),
                    "{value}"
                ),
                "src" => {
                    let is_remote = lower.starts_with("http://") || lower.starts_with("https://");
                    let is_own = lower.starts_with("data:image/");
                    assert!(is_own || is_remote && remote == Remote::Shown, "{value}");
                }
                "style" => {
                    let is_calm = ["position", "expression", "@", "\\", "javascript"]
                        .iter()
                        .all(|word| !lower.contains(word));
                    assert!(is_calm, "{value}");
                    assert!(remote == Remote::Shown || !lower.contains("url("), "{value}");
                }
                other => assert!(
                    !["srcset", "ping", "poster", "id", "background", "action"].contains(&other),
                    "{other}"
                ),
            }
        }
    }
}

#[test]
fn a_mail_keeps_the_paper_it_is_written_on() {
    let dark =
        "<html><body bgcolor=#000000 text=#ffffff onload=x()><p style='color:#fff'>Hi</p></body>";
    assert_eq!(blocked(dark).body_tag(), "<body style=\"background-color:#000000;color:#ffffff\">");
    let far = "<body background=http://evil.example/b.png style='position:fixed;color:red'>Hi";
    let safe = blocked(far);
    assert_eq!((safe.body_tag().as_str(), safe.remote), ("<body style=\"color:red\">", 1));
    assert_eq!(blocked("<p>Hi").body_tag(), "<body>");
}

#[test]
fn nothing_of_the_battery_is_left() {
    for vector in VECTORS {
        let vector = vector.replace("{host}", "tracker.example");
        for remote in [Remote::Blocked, Remote::Shown] {
            let safe = safe::html(&vector, &Arc::default(), remote);
            assert_harmless(&safe.html, remote);
            assert!(
                !safe.html.contains("attack") || !safe.html.contains("<img src=\"x"),
                "{vector}"
            );
            if remote == Remote::Blocked {
                let loads = safe.html.contains("src=\"http") || safe.html.contains("url(");
                assert!(!loads, "{vector} became {}", safe.html);
            }
        }
    }
}

#[test]
fn a_harmless_mail_stays_as_it_was() {
    for html in [
        "<p>Hello <b>Ann</b>,</p><p>see <i>below</i>.</p>",
        "<table border=\"1\" cellpadding=\"4\"><tbody><tr><td align=\"right\" style=\"color:red\">1</td></tr></tbody></table>",
        "<p class=\"MsoNormal\" style=\"margin:0cm;font-family:'Calibri',sans-serif\">Dear \u{c4}nne &amp; co,</p>",
        "<ul><li>a</li><li>b</li></ul><blockquote>c<br>d</blockquote>",
        "<h1>T</h1><hr><pre>a\n  b</pre>",
    ] {
        assert_eq!(blocked(html).html, html);
    }
}

#[test]
fn remote_pictures_are_counted_and_shown_only_when_asked_for() {
    let html = "<img src=\"http://a.example/1.png\" alt=\"one\"><img src=//a.example/2.png>\
        <td background=http://a.example/3.png><div style=\"background:url(https://a.example/4.png)\">x</div>\
        <img src=https://t.example/p.gif width=1 height=1>";
    let safe = blocked(html);
    assert_eq!((safe.remote, safe.trackers), (4, 1));
    assert!(!safe.html.contains("a.example") && safe.html.contains("alt=\"one\""), "{}", safe.html);
    let shown = safe::html(html, &Arc::default(), Remote::Shown);
    assert_eq!((shown.remote, shown.trackers), (4, 1));
    for piece in [
        "src=\"http://a.example/1.png\"",
        "src=\"https://a.example/2.png\"",
        "https://a.example/4.png",
    ] {
        assert!(shown.html.contains(piece), "{}", shown.html);
    }
    assert!(!shown.html.contains("t.example"), "{}", shown.html);
}

#[test]
fn pictures_of_the_mail_itself_are_shown_where_they_stand() {
    let picture = "data:image/png;base64,AAAA".to_owned();
    let pictures: Arc<Pictures> = Arc::new([("logo@x".to_owned(), picture.clone())].into());
    let html = "<img src=\"cid:logo@x\"><img src=\"CID:logo@x\"><img src=\"cid:other\"><a href=\"cid:logo@x\">a</a>";
    let safe = safe::html(html, &pictures, Remote::Blocked);
    assert_eq!(safe.html.matches(&picture).count(), 2, "{}", safe.html);
    assert_eq!(safe.remote, 0);
}

#[test]
fn one_picture_named_a_thousand_times_does_not_become_a_thousand_pictures() {
    let picture = format!("data:image/png;base64,{}", "A".repeat(1_000_000));
    let pictures: Arc<Pictures> = Arc::new([("p".to_owned(), picture)].into());
    let safe = safe::html(&"<img src=cid:p>".repeat(1_000), &pictures, Remote::Blocked);
    assert!(safe.html.len() < 14_000_000, "{}", safe.html.len());
}

#[test]
fn a_link_says_where_it_leads_when_its_text_pretends() {
    let safe = blocked("<a href=\"https://evil.example/\">https://bank.example/</a>");
    assert!(safe.html.contains("leads to evil.example"), "{}", safe.html);
    assert!(safe.html.contains("target=\"_blank\"") && safe.html.contains("noopener"));
    // Nobody else can write such a note.
    let forged = blocked("<span class=\"leads-to\">leads to bank.example</span>");
    assert!(!forged.html.contains("class"), "{}", forged.html);
}

#[test]
fn hostile_nesting_and_size_cost_nothing() {
    let attributes: String = (0..50_000).map(|n| format!("<b a{n}=1>")).collect();
    let cases = [
        "<div>".repeat(1_000_000),
        "<blockquote><table><tr><td>".repeat(200_000),
        "<a href=http://x.example/>".repeat(100_000),
        "<p><b><i><u>".repeat(100_000),
        format!("{attributes}{}", "<p>x".repeat(100_000)),
        "<table>".repeat(100_000),
        "<li><ul>".repeat(100_000),
        "<font><center>x</font>".repeat(50_000),
        format!("<p {}>", "a=b ".repeat(500_000)),
        format!("<p style=\"{}\">", "color:red;".repeat(100_000)),
        "<img src=http://x.example/a.png>".repeat(100_000),
        "&lt;".repeat(1_000_000),
        "<style>".repeat(200_000),
        "<!--".repeat(200_000),
        "x".repeat(30_000_000),
    ];
    for html in cases {
        let safe = blocked(&html);
        assert!(safe.html.len() < 24_000_000, "{} bytes", safe.html.len());
        if html.len() > 2_000_000 {
            assert!(safe.is_shortened);
        }
    }
}

/// Pieces of which HTML is made, well and badly.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(VECTORS).prop_map(str::to_owned),
        prop::sample::select(vec![
            "<p>",
            "</p>",
            "<div>",
            "</div>",
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<a href=x>",
            "</a>",
            "<b>",
            "</i>",
            "<i>",
            "<ul>",
            "<li>",
            "<!--",
            "-->",
            "<style>",
            "</style>",
            "\"",
            "'",
            ">",
            "<",
            "&",
            "&amp;",
            "&#0;",
            "<svg>",
            "</svg>",
            "<math>",
            "<select>",
            "<frameset>",
            "<plaintext>",
            "<form>",
            "<caption>",
            "<col>",
            "<template>",
            "<br/>",
            "</br>",
            "</p >",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,20}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_goes_in_nothing_harmful_comes_out(pieces in prop::collection::vec(piece(), 0..12)) {
        let html = pieces.concat().replace("{host}", "tracker.example");
        for remote in [Remote::Blocked, Remote::Shown] {
            let safe = safe::html(&html, &Arc::default(), remote);
            assert_harmless(&safe.html, remote);
        }
    }

    #[test]
    fn what_is_safe_is_left_alone(pieces in prop::collection::vec(piece(), 0..12)) {
        let once = blocked(&pieces.concat()).html;
        prop_assume!(!once.contains("leads-to"));
        let twice = blocked(&once).html;
        prop_assert_eq!(&blocked(&twice).html, &twice);
    }

    #[test]
    fn plain_text_becomes_text_and_links(text in "(?s).{0,200}") {
        let html = safe::text::linked(&text);
        for (name, attributes) in tags(&html) {
            prop_assert!(name == "a" || name == "span");
            prop_assert!(attributes.iter().all(|(name, _)| ["target", "rel", "href", "class"].contains(&name.as_str())));
        }
    }
}
