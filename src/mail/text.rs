//! What the author of a mail wrote just now: its text without quoted history and without signature.
//! The text itself is kept in full (B10); this is for the eye.

/// The text without quoted lines and without what follows a `-- ` line.
pub fn new_text(text: &str) -> String {
    // RFC 3676 4.3: the signature separator is "-- ".
    let body = text.lines().take_while(|line| line.trim_end() != "--");
    let own: Vec<&str> = body.filter(|line| !line.starts_with('>')).collect();
    let own = own.join("\n");
    if own.trim().is_empty() { text.trim().to_owned() } else { own.trim().to_owned() }
}
