//! The paper that a mail is written on: colours and type, as the tag of its body says. Without them, what is
//! white on black would be white on white.

use super::attributes;
use super::style::{self, Style};
use super::{Remote, escape_into};

/// What is taken over: nothing that moves or hides the text.
const PROPERTIES: [&str; 6] =
    ["background", "background-color", "background-image", "color", "font-family", "font-size"];

/// Reads the attributes of the tag.
pub(super) fn read(tag: &str, remote: Remote) -> Style {
    let read = attributes::read(tag);
    let mut css = String::new();
    for (name, property) in [("bgcolor", "background-color"), ("text", "color")] {
        if let Some(colour) = attributes::value(&read, name) {
            css.push_str(&format!("{property}:{};", hashed(colour.trim())));
        }
    }
    css.push_str(&attributes::css(&read));
    style::kept(&css, remote, |property| PROPERTIES.contains(&property))
}

/// The tag of the body, with such a style.
pub(super) fn tag(css: &str) -> String {
    // Both walls: what is written was read by the same rules once more.
    let Style { css, .. } = style::filtered(css, Remote::Shown);
    let mut tag = "<body".to_owned();
    if !css.is_empty() {
        tag.push_str(" style=\"");
        escape_into(&mut tag, &css);
        tag.push('"');
    }
    tag.push('>');
    tag
}

/// Old mail leaves the `#` out.
fn hashed(colour: &str) -> String {
    let is_bare = matches!(colour.len(), 3 | 6) && colour.bytes().all(|it| it.is_ascii_hexdigit());
    if is_bare { format!("#{colour}") } else { colour.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_colours_and_type_and_nothing_else() {
        for (attributes, css) in [
            (" bgcolor=#000000 text='#ffffff'", "background-color:#000000;color:#ffffff"),
            (" BGCOLOR=000000 text=fff", "background-color:#000000;color:#fff"),
            (" text=red style='color:white;margin:0;display:none'", "color:red;color:white"),
            (" style=\"font-family:'Segoe UI';position:fixed\"", "font-family:'Segoe UI'"),
            (" text='red;position:fixed' bgcolor='url(http://x)'", "color:red"),
            (" onload=alert(1)", ""),
        ] {
            assert_eq!(read(attributes, Remote::Blocked).css, css, "{attributes}");
        }
        let far = " background=http://x.example/a.png";
        let (blocked, shown) = (read(far, Remote::Blocked), read(far, Remote::Shown));
        assert_eq!((blocked.css.as_str(), blocked.remote), ("", 1));
        assert_eq!(shown.css, "background-image:url('http://x.example/a.png')");
    }

    #[test]
    fn the_tag_ends_where_it_seems_to() {
        assert_eq!(tag(""), "<body>");
        assert_eq!(tag("font-family:\"a\""), "<body style=\"font-family:&quot;a&quot;\">");
        assert_eq!(tag("color:red\"><script>"), "<body>");
    }
}
