//! Keys from the environment: `MAILWEAVE_SMTP__LISTEN`, `MAILWEAVE_DATA_DIR`. They stand over the file.

use toml::{Table, Value};

use super::Error;

const PREFIX: &str = "MAILWEAVE_";
/// Keys whose values are lists: comma-separated in the environment.
const LISTS: [&str; 6] =
    ["listen", "domains", "scopes", "allowed_networks", "allowed_domains", "proxy_from"];
/// `smtp.listen` is a list, `http.listen` is not.
const NO_LIST: [&str; 1] = ["http.listen"];
const SECTIONS: [&str; 9] =
    ["smtp", "http", "tls", "store", "dns", "outgoing", "sign_in", "log", "providers"];

/// The environment of this process; what is not text sets no key.
pub fn of_process() -> impl Iterator<Item = (String, String)> {
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}

/// Puts every `MAILWEAVE_` variable into the table.
pub fn overlay(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(), Error> {
    for (variable, value) in environment {
        if let Some(name) = variable.strip_prefix(PREFIX) {
            let name = name.to_lowercase();
            let path: Vec<&str> = name.split("__").collect();
            check_section(&variable, &path)?;
            set(table, &variable, &path, &value)?;
        }
    }
    Ok(())
}

fn check_section(variable: &str, path: &[&str]) -> Result<(), Error> {
    match path {
        ["data_dir"] => Ok(()),
        [section, _, ..] if SECTIONS.contains(section) => Ok(()),
        _ => {
            let hint = "keys are MAILWEAVE_DATA_DIR or MAILWEAVE_<SECTION>__<KEY> with two underscores, \
                        such as MAILWEAVE_SMTP__LISTEN";
            Err(Error::UnknownVariable { variable: variable.to_owned(), hint: hint.to_owned() })
        }
    }
}

fn set(table: &mut Table, variable: &str, path: &[&str], value: &str) -> Result<(), Error> {
    let dotted = path.join(".");
    let Some((key, sections)) = path.split_last() else { return Ok(()) };
    let mut inner = table;
    for section in sections {
        let entry = inner.entry(*section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(next) = entry else {
            let hint = format!("{section} is not a section");
            return Err(Error::UnknownVariable { variable: variable.to_owned(), hint });
        };
        inner = next;
    }
    inner.insert((*key).to_owned(), typed(&dotted, key, value));
    Ok(())
}

/// The value in the type that its text shows. Only numbers and truth values of keys that are texts
/// would be mistaken, and no text key of the configuration holds those alone.
fn typed(dotted: &str, key: &str, text: &str) -> Value {
    if LISTS.contains(&key) && !NO_LIST.contains(&dotted) {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Value::Array(items.map(|item| Value::String(item.to_owned())).collect());
    }
    if is_text(dotted) {
        return Value::String(text.to_owned());
    }
    match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) => Value::Integer(number),
        (_, Ok(truth)) => Value::Boolean(truth),
        _ => Value::String(text.to_owned()),
    }
}

/// Texts that may look like numbers.
fn is_text(dotted: &str) -> bool {
    let free = ["data_dir", "http.admin_token", "smtp.hostname", "sign_in.openid.name"];
    free.contains(&dotted) || dotted.ends_with(".client_id") || dotted.ends_with(".client_secret")
}
