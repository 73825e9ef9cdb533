//! The laws of the house, checked by machine: who may import whom, what the pure parts may not touch,
//! how long a file may be, that migrations come in pairs, and that the example configuration is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mailweave::config::{Config, RawConfig};

/// Which top modules a top module may import. `app` and `command` know everybody.
const IMPORTS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("model", &["text"]),
    ("clock", &["model"]),
    ("secrets", &["clock", "model"]),
    ("tls", &[]),
    ("perimeter", &[]),
    ("access", &["model"]),
    ("reach", &["model", "perimeter"]),
    ("submission", &["model", "reach", "text"]),
    ("oauth", &["model", "perimeter"]),
    (
        "connect",
        &[
            "access",
            "clock",
            "model",
            "oauth",
            "reach",
            "secrets",
            "store",
            "submission",
            "text",
            "watch",
        ],
    ),
    ("mail", &["model"]),
    ("decide", &["mail", "model"]),
    ("store", &["decide", "model", "clock"]),
    ("smtp", &["clock", "model", "perimeter", "tls"]),
    ("ingest", &["clock", "decide", "mail", "model", "smtp", "store"]),
    (
        "send",
        &["access", "clock", "decide", "ingest", "mail", "model", "secrets", "store", "submission"],
    ),
    ("import", &["clock", "decide", "ingest", "mail", "model", "store"]),
    ("events", &["clock", "model", "perimeter", "secrets", "store"]),
    (
        "web",
        &[
            "clock",
            "connect",
            "decide",
            "events",
            "ingest",
            "mail",
            "model",
            "oauth",
            "perimeter",
            "secrets",
            "send",
            "store",
            "text",
            "tls",
        ],
    ),
    ("watch", &["access", "clock", "decide", "ingest", "mail", "model", "reach", "store"]),
    ("config", &["decide", "send", "model", "perimeter", "smtp", "web"]),
];

/// Words that mean waiting, logging, files, sockets, clocks or random numbers.
const IMPURE: [&str; 12] = [
    ".await",
    "async fn",
    "tokio::",
    "tracing::",
    "std::fs",
    "std::net::Tcp",
    "std::io::",
    "SystemTime",
    "Instant::",
    "rand::",
    "clock::",
    "sqlx",
];

/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// The text before the unit tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

fn top_module(path: &Path) -> String {
    let part = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    part.trim_end_matches(".rs").to_owned()
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = top_module(&path);
        let Some(allowed) = table.get(module.as_str()) else {
            assert!(
                ["app", "command", "lib", "main"].contains(&module.as_str()),
                "{module} has no law"
            );
            continue;
        };
        for (number, line) in code(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for rest in code.split("crate::").skip(1) {
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if name != module
                    && table.contains_key(name.as_str())
                    && !allowed.contains(&name.as_str())
                {
                    wrong.push(format!(
                        "{}:{}: {module} imports {name}",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_parts_touch_nothing() {
    let pure = [
        "src/model",
        "src/text",
        "src/mail",
        "src/decide",
        "src/smtp/session",
        "src/smtp/command",
        "src/smtp/reply",
        "src/send/retry",
        "src/watch/plan",
        "src/watch/imap/folders",
        "src/connect/remedy",
        "src/oauth/error",
        "src/oauth/identity",
    ];
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let name = path.to_str().unwrap().to_owned();
        let is_pure =
            pure.iter().any(|start| name.starts_with(start)) || name == "src/ingest/prepare.rs";
        for (number, line) in code(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap();
            if is_pure && IMPURE.iter().any(|word| code.contains(word)) {
                wrong.push(format!("{name}:{}: {line}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sql_is_in_the_store_alone() {
    for (path, text) in sources("src") {
        let is_store = path.starts_with("src/store");
        assert!(is_store || !code(&text).contains("sqlx::"), "{} names sqlx", path.display());
    }
}

#[test]
fn files_open_with_their_purpose_and_end_soon() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not say what it is for", path.display()));
        }
        let lines = code(&text).lines().count();
        if path.starts_with("src") && lines > FILE_LINES_MAX {
            wrong.push(format!("{} has {lines} lines before its tests", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Does the line begin one, whoever may see it?
fn is_function(line: &str) -> bool {
    let line = line.strip_prefix("pub").unwrap_or(line);
    let line = match line.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map_or(rest, |(_, rest)| rest),
        None => line,
    };
    let mut words = line.split_whitespace();
    words.find(|word| !["async", "const"].contains(word)) == Some("fn")
}

#[test]
fn functions_fit_on_a_screen() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let lines: Vec<&str> = code(&text).lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            if !is_function(trimmed) || trimmed.ends_with(';') {
                continue;
            }
            let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
            let length = lines[start..].iter().position(|line| *line == end).map_or(0, |at| at + 1);
            if length > FUNCTION_LINES_MAX {
                wrong.push(format!("{}:{}: {length} lines", path.display(), start + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the product does, rule by rule: their letters, and how many there are of each.
const RULES: [(char, u32); 6] = [('S', 10), ('T', 10), ('B', 13), ('A', 4), ('M', 6), ('V', 4)];

#[test]
fn every_rule_is_named_by_a_test() {
    let tests: Vec<String> = sources("tests").into_iter().map(|(_, text)| text).collect();
    // What a test is of stands in its comment.
    let lines = tests.iter().flat_map(|text| text.lines().map(str::trim_start));
    let comments = lines.filter(|line| line.starts_with("//"));
    let words = comments.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
    let named: BTreeSet<&str> = words.collect();
    let rules =
        RULES.iter().flat_map(|(letter, count)| (1..=*count).map(move |n| format!("{letter}{n}")));
    let unnamed: Vec<String> = rules.filter(|rule| !named.contains(rule.as_str())).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

#[test]
fn nothing_is_left_undone() {
    let undone = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ign", "ore"),
    ];
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        for word in undone {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn no_program_is_started() {
    for (path, text) in sources("src") {
        assert!(!text.contains("Command::new"), "{} starts a program (D20)", path.display());
    }
}

#[test]
fn migrations_come_in_pairs_with_the_same_tables_and_columns() {
    let sqlite = migrations("sqlite");
    let postgres = migrations("postgres");
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), postgres.keys().collect::<Vec<_>>());
    for (name, text) in &sqlite {
        assert_eq!(columns(text), columns(&postgres[name]), "{name}");
    }
}

fn migrations(database: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(root().join("migrations").join(database)).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.map(named).collect()
}

/// Every table with its columns in order.
fn columns(migration: &str) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in migration.lines() {
        if let Some(name) = line.strip_prefix("create table ") {
            table = name.split_whitespace().next().unwrap().to_owned();
        } else if let Some(column) = line.strip_prefix("    ") {
            let word = column.split_whitespace().next().unwrap_or_default();
            let is_column =
                word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
            if is_column && !["primary", "unique", "check"].contains(&word) {
                tables.entry(table.clone()).or_default().push(word.to_owned());
            }
        }
    }
    // What takes the place of a table of before has its columns, and only one database needs it.
    tables.retain(|table, _| !table.ends_with("_by_key"));
    tables
}

#[test]
fn every_table_is_keyed_by_the_sub_account_first() {
    for text in migrations("sqlite").values().chain(migrations("postgres").values()) {
        for key in text.lines().filter_map(|line| line.trim().strip_prefix("primary key (")) {
            assert!(key.starts_with("sub_account"), "primary key ({key}");
        }
    }
}

#[test]
fn the_example_configuration_is_complete_and_true() {
    let example = fs::read_to_string(root().join("config.toml.example")).unwrap();
    let settings: String = example
        .lines()
        .filter_map(|line| {
            let is_setting = |line: &str| line.starts_with('[') || line.contains(" = ");
            let plain = line.strip_prefix("#").unwrap_or(line);
            (!line.starts_with("# ") && is_setting(plain)).then(|| format!("{plain}\n"))
        })
        .collect();
    let as_written = Config::parse(&settings, None, []).unwrap();
    let by_default = Config::parse("", None, []).unwrap();
    assert_eq!(format!("{as_written:?}"), format!("{by_default:?}"));
    let raw: RawConfig = toml::from_str(&settings).unwrap();
    let debug = format!("{raw:#?}");
    let keys: BTreeSet<&str> =
        debug.lines().filter_map(|line| line.trim().split_once(": ")).map(|it| it.0).collect();
    for key in keys.iter().filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
        assert!(
            example.contains(&format!("{key} = "))
                || example.contains(&format!("[{key}"))
                || example.contains(&format!(".{key}")),
            "{key} is not in config.toml.example"
        );
    }
}
