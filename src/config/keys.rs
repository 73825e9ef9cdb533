//! Which keys were set, and to what: to say after a reload which of them changed, and which of those
//! need a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use toml::{Table, Value};

/// Keys by their dotted names. Their values may be secrets: they are compared and never shown.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, Value>);

/// What a running gateway takes over; a name that ends with a dot stands for all keys under it.
const AT_RUN_TIME: [&str; 5] =
    ["log.filter", "smtp.limits.", "smtp.max_message_bytes", "tls.certificate", "tls.key"];
/// Limits that are built into what the start makes.
const AT_START: [&str; 5] = [
    "smtp.limits.contacts_per_sub_account_per_minute",
    "smtp.limits.mails_per_sub_account_per_minute",
    "smtp.limits.memory_bytes",
    "smtp.limits.stop_seconds",
    "smtp.limits.unknown_recipients_per_ip_per_minute",
];

impl Keys {
    /// The keys of a configuration.
    pub fn of(table: &Table) -> Self {
        let mut keys = BTreeMap::new();
        flatten("", table, &mut keys);
        Self(keys)
    }

    /// The keys that have another value there, or none.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Does a change of this key take effect without a restart?
pub fn applies_at_run_time(key: &str) -> bool {
    let is_named = |name: &&str| key == *name || name.ends_with('.') && key.starts_with(*name);
    AT_RUN_TIME.iter().any(is_named) && !AT_START.contains(&key)
}

fn flatten(prefix: &str, table: &Table, keys: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, keys),
            value => drop(keys.insert(format!("{prefix}{name}"), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        Keys::of(&toml::from_str(text).unwrap())
    }

    #[test]
    fn tells_what_changed_and_shows_no_value() {
        let before =
            keys("data_dir = 'x'\n[http]\nadmin_token = 'hush'\n[smtp.limits]\nerrors = 3");
        let after = keys("data_dir = 'x'\n[http]\nadmin_token = 'hush!'\n[log]\nfilter = 'debug'");
        let changed = before.changed(&after);
        assert_eq!(changed, ["http.admin_token", "log.filter", "smtp.limits.errors"]);
        assert_eq!(before.changed(&before), [""; 0]);
        assert!(!format!("{before:?}").contains("hush"));
    }

    #[test]
    fn knows_what_needs_a_restart() {
        for (key, expected) in [
            ("smtp.limits.errors", true),
            ("smtp.limits.memory_bytes", false),
            ("smtp.listen", false),
            ("log.filter", true),
            ("log.format", false),
            ("tls.key", true),
            ("tls.keys", false),
        ] {
            assert_eq!(applies_at_run_time(key), expected, "{key}");
        }
    }
}
