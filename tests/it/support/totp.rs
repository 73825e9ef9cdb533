//! The app of somebody who has a second factor.

use mailweave::clock;

/// The code that an app shows, of the letters that the page shows.
pub fn code(letters: &str, later: i64) -> String {
    let mut bits: Vec<u8> = Vec::new();
    for letter in letters.bytes().filter(u8::is_ascii_alphanumeric) {
        let value = if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter - b'A' };
        bits.extend((0..5).rev().map(|bit| value >> bit & 1));
    }
    let bytes: Vec<u8> =
        bits.chunks(8).map(|byte| byte.iter().fold(0, |it, bit| it << 1 | bit)).collect();
    let secret = totp_rs::Secret::new_stack(bytes.try_into().unwrap());
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let now = u64::try_from(clock::now().as_seconds() + later).unwrap();
    app.generate(now).to_string()
}
