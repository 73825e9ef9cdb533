//! Where the signature of a mail begins: behind `-- `, or at the line with which a program signs.
//! Greetings and names are the author's words and stay.

use crate::mail::forward::line::{folded, is_space};
use crate::mail::forward::phrase;

/// A line with which a program signs is not longer, in bytes; it may hold a link.
const LENGTH_MAX: usize = 200;

/// The lines without the signature.
pub fn without<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    // RFC 3676 4.3: the separator is "-- "; many programs lose the space.
    let is_separator = |line: &&str| line.trim_end_matches(is_space) == "--";
    let length = lines.iter().position(is_separator).unwrap_or(lines.len());
    let mut own = lines.get(..length).unwrap_or(lines);
    while let Some((last, before)) = own.split_last() {
        if !last.chars().all(is_space) && !is_of_program(last) {
            break;
        }
        own = before;
    }
    own
}

/// "Sent from my iPhone", "Get Outlook for iOS" and the like.
fn is_of_program(line: &str) -> bool {
    if line.len() > LENGTH_MAX {
        return false;
    }
    let line = folded(line).replace(['[', ']', '*', '_'], "");
    let line = line.trim_matches(|c: char| c == '-' || c == '.' || c == '。' || c.is_whitespace());
    let words = line.split(['<', '(', '（']).next().unwrap_or_default().trim_end();
    let begins = phrase::SIGNED_BY_PROGRAM.iter().any(|start| words.starts_with(start));
    let ends = phrase::SIGNED_BY_PROGRAM_END.iter().any(|end| words.ends_with(end));
    (begins || ends) && phrase::DEVICES.iter().any(|device| words.contains(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_signatures_of_programs() {
        for line in [
            "Sent from my iPhone",
            "Sent from Outlook for iOS<https://aka.ms/o0ukef>",
            "Get [Outlook for Android](https://aka.ms/AAb9ysg)",
            "Von meinem iPhone gesendet",
            "Gesendet von Outlook für iOS",
            "Envoyé de mon iPhone",
            "Envoyé à partir de Outlook pour Android",
            "Enviado desde mi iPhone",
            "Enviado do meu iPhone",
            "Inviato da iPhone",
            "Verstuurd vanaf mijn iPhone",
            "Wysłane z iPhone’a",
            "Skickat från min iPhone",
            "Sendt fra min iPhone",
            "Lähetetty iPhonesta",
            "Odesláno z iPhonu",
            "Elküldve az iPhone-omról",
            "Отправлено с iPhone",
            "Надіслано з iPhone",
            "iPhone'umdan gönderildi",
            "Στάλθηκε από το iPhone μου",
            "Trimis de pe iPhone-ul meu",
            "iPhoneから送信",
            "发自我的iPhone",
            "從我的 iPhone 傳送",
            "나의 iPhone에서 보냄",
        ] {
            assert!(is_of_program(line), "{line}");
        }
    }

    #[test]
    fn leaves_words_alone() {
        for line in [
            "Ann",
            "Sent from the airport",
            "Best regards",
            "Von meinem Chef gesendet",
            "I got a new iPhone",
            "",
        ] {
            assert!(!is_of_program(line), "{line}");
        }
    }
}
