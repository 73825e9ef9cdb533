//! The `style` attribute: only properties that set how text and boxes look where they stand, with values
//! that load nothing. Style sheets of mail are left out as a whole.

use super::Remote;
use super::attributes::web_address;

/// Properties that are kept. None takes an element out of its place (D5).
const PROPERTIES: &str = "background background-color background-image border border-bottom border-bottom-color \
    border-bottom-style border-bottom-width border-collapse border-color border-left \
    border-left-color border-left-style border-left-width border-radius border-right \
    border-right-color border-right-style border-right-width border-spacing border-style \
    border-top border-top-color border-top-style border-top-width border-width caption-side \
    clear color direction display float font font-family font-size font-style font-variant \
    font-weight height letter-spacing line-height list-style-type margin margin-bottom \
    margin-left margin-right margin-top max-width min-width padding padding-bottom \
    padding-left padding-right padding-top table-layout text-align text-decoration text-indent \
    text-transform vertical-align white-space width";
/// Functions of CSS that only compute.
const FUNCTIONS: [&str; 5] = ["rgb", "rgba", "hsl", "hsla", "calc"];
/// The longest style attribute that is read.
const STYLE_BYTES_MAX: usize = 8_192;

/// A style without what may load or cover anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    pub css: String,
    /// Remote pictures in it, whether they were kept or not.
    pub remote: usize,
    /// Nothing of its element is to be seen.
    pub is_hidden: bool,
}

/// Reads a style attribute.
pub(super) fn filtered(style: &str, remote: Remote) -> Style {
    kept(style, remote, |_| true)
}

/// The same, of the properties that `is_wanted`.
pub(super) fn kept(style: &str, remote: Remote, is_wanted: impl Fn(&str) -> bool) -> Style {
    let mut kept = Style::default();
    if style.len() > STYLE_BYTES_MAX {
        return kept;
    }
    for declaration in declarations(style) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if !PROPERTIES.split(' ').any(|known| known == name) || !is_wanted(&name) {
            continue;
        }
        if value.to_ascii_lowercase().contains("url(") {
            kept.remote += background(&mut kept.css, value, remote);
        } else if is_plain(value) {
            kept.is_hidden |= name == "display" && value.to_ascii_lowercase().starts_with("none");
            push(&mut kept.css, &name, value);
        }
    }
    kept
}

/// Cut at semicolons outside quotes and brackets.
fn declarations(style: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut depth = 0_usize;
    style.split(move |c: char| {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            (';', None) => return depth == 0,
            _ => {}
        }
        false
    })
}

/// Nothing is loaded by it, nothing is escaped in it, and it ends where it seems to end.
fn is_plain(value: &str) -> bool {
    let is_quiet = |c: char| c.is_ascii_alphanumeric() || " #%.,-+!'\"()/*_".contains(c);
    let is_open = value.matches('"').count() % 2 == 1 || value.matches('\'').count() % 2 == 1;
    let is_comment = value.contains("/*") || value.contains("*/");
    !value.is_empty()
        && !is_open
        && !is_comment
        && value.chars().all(is_quiet)
        && value.matches('(').count() == value.matches(')').count()
        && functions(value).all(|name| FUNCTIONS.contains(&name.to_ascii_lowercase().as_str()))
}

/// The names that stand before brackets.
fn functions(value: &str) -> impl Iterator<Item = &str> {
    let mut pieces: Vec<&str> = value.split('(').collect();
    pieces.pop();
    pieces.into_iter().map(|piece| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let start = piece.trim_end_matches(is_name).len();
        piece.get(start..).unwrap_or_default()
    })
}

/// Keeps the first picture of a background, when it was asked for. Answers how many there are.
fn background(css: &mut String, value: &str, remote: Remote) -> usize {
    let lower = value.to_ascii_lowercase();
    let Some(start) = lower.find("url(") else { return 0 };
    let inside = value.get(start + 4..).and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let inside = inside.trim().trim_matches(['"', '\'']);
    let Some(url) = web_address(inside) else { return 0 };
    let is_quiet = |c: char| !matches!(c, '"' | '\'' | '(' | ')' | '\\' | '<' | '>' | ';');
    if remote == Remote::Shown && url.as_str().chars().all(is_quiet) {
        push(css, "background-image", &format!("url('{url}')"));
    }
    1
}

fn push(css: &mut String, name: &str, value: &str) {
    if !css.is_empty() {
        css.push(';');
    }
    css.push_str(name);
    css.push(':');
    css.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(style: &str) -> String {
        filtered(style, Remote::Blocked).css
    }

    #[test]
    fn keeps_how_text_looks() {
        for (style, kept) in [
            ("color: red; FONT-SIZE:12pt", "color:red;font-size:12pt"),
            ("font-family:'Segoe UI', Arial", "font-family:'Segoe UI', Arial"),
            (
                "width:calc(100% - 2px);color:rgb(1, 2, 3)",
                "width:calc(100% - 2px);color:rgb(1, 2, 3)",
            ),
            ("mso-line-height-rule:exactly;margin:0", "margin:0"),
        ] {
            assert_eq!(blocked(style), kept, "{style}");
        }
        assert!(filtered("DISPLAY: None !important", Remote::Blocked).is_hidden);
    }

    #[test]
    fn leaves_out_what_loads_covers_or_runs() {
        for style in [
            "position:fixed",
            "position:absolute;top:0;z-index:9999",
            "behavior:url(#x)",
            "-moz-binding:url(http://x/)",
            "width:expression(alert(1))",
            "color:var(--x)",
            "color:\\75rl(x)",
            "background:image-set('http://x' 1x)",
            "color:attr(x)",
            "content:'x'",
            "color:red}body{color:blue",
            "color:/*x*/red",
            "cursor:url(http://x)",
            "@import 'http://x'",
            "color:</style><script>",
            "font-family:'a",
            "src:local(x)",
        ] {
            assert_eq!(blocked(style), "", "{style}");
        }
    }

    #[test]
    fn counts_pictures_of_backgrounds_and_shows_them_when_asked() {
        let style = "background:#fff url(\"http://x.example/a.png\") no-repeat; color:red";
        assert_eq!(
            filtered(style, Remote::Blocked),
            Style { css: "color:red".into(), remote: 1, is_hidden: false }
        );
        let shown = filtered(style, Remote::Shown).css;
        assert_eq!(shown, "background-image:url('http://x.example/a.png');color:red");
        assert_eq!(filtered(&shown, Remote::Shown).css, shown);
        for bad in ["background:url(javascript:x)", "background:url(data:text/html,x)"] {
            assert_eq!(filtered(bad, Remote::Shown), Style::default(), "{bad}");
        }
    }
}
