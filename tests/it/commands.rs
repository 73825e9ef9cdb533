//! The commands, run as a person runs them: the built program, a data directory of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use mailweave::clock;
use mailweave::model::{Address, NewIds, Role, SubAccountId, TokenId, User, UserId};
use mailweave::store::{Holder, NewToken, Options, Store};
use serde_json::Value;
use sqlx::Connection;

use super::support::openid::OpenId;
use super::trust::zone::Zone;

/// A data directory with a user in it.
struct Place {
    directory: tempfile::TempDir,
    sub_account: SubAccountId,
}

impl Place {
    fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, sub_account: SubAccountId::OPERATOR }
    }

    async fn with_user(email: &str) -> Self {
        let mut place = Self::empty();
        place.sub_account = place.add_user(email).await;
        place
    }

    /// Adds a user, in a sub-account of its own.
    async fn add_user(&self, email: &str) -> SubAccountId {
        std::fs::create_dir_all(self.data()).unwrap();
        let store = Store::open(Options::new(self.url(), Holder::Command)).await.unwrap();
        let now = clock::now();
        let mut ids = NewIds::new(now, clock::seed());
        let sub_account = SubAccountId(ids.next_id());
        let hash = clock::seed().to_be_bytes().repeat(2).try_into().unwrap();
        let token = NewToken { id: TokenId(ids.next_id()), hash, name: "test".to_owned() };
        store.add_sub_account(sub_account, "Firm", token, now).await.unwrap();
        let user = User {
            id: UserId(ids.next_id()),
            name: "Ann".to_owned(),
            email: Address::parse(email).unwrap(),
            aliases: Vec::new(),
            time_zone: "UTC".to_owned(),
            bcc_address: None,
            role: Role::User,
            created_at: now,
        };
        store.add_user(sub_account, &user).await.unwrap();
        store.close().await;
        sub_account
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.data().join("mailweave.db").display())
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.directory.path());
        command.args(arguments).env("MAILWEAVE_DATA_DIR", self.data());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// The program, without anything of this process's environment that could change it.
fn program(directory: &Path) -> Command {
    let mut command = Command::cargo_bin("mailweave").unwrap();
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("MAILWEAVE_") {
            command.env_remove(key);
        }
    }
    command.current_dir(directory);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn mail(from: &str, to: &str, id: &str) -> String {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: The offer\r\nMessage-ID: <{id}>\r\n\
         Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\nDear Carl\r\n"
    )
}

#[test]
fn help_shows_an_example_for_every_command() {
    let place = Place::empty();
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["import", "--help"],
        &["explain", "--help"],
        &["doctor", "--help"],
        &["token", "create", "--help"],
        &["migrate", "--help"],
        &["demo", "--help"],
        &["backup", "--help"],
        &["restore", "--help"],
        &["completions", "--help"],
        &["man", "--help"],
    ] {
        let output = place.run(command);
        assert!(output.status.success(), "{command:?}");
        assert!(text(&output.stdout).contains("Example"), "{command:?}");
    }
    assert!(!place.data().exists(), "asking for help makes nothing");
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completions", shell]);
        assert!(text(&output.stdout).contains("explain"), "{shell}");
    }
    let page = text(&place.run(&["man"]).stdout);
    assert!(page.contains(".TH") && page.contains("MESSAGE\\-ID"), "{page}");
    assert!(page.contains("token create"), "each command of a command, too");
}

#[test]
fn a_mistake_in_the_configuration_is_told_and_nothing_is_done() {
    let place = Place::empty();
    place.file("config.toml", "[smtp]\nlissten = []\n");
    let output = place.run(&["migrate"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("config.toml, line 2") && said.contains("lissten"), "{said}");
    assert!(!place.data().exists());
}

#[test]
fn migrate_can_be_run_twice() {
    let place = Place::empty();
    for _ in 0..2 {
        assert!(place.run(&["migrate"]).status.success());
    }
}

/// G-12.
#[test]
fn a_data_directory_that_everybody_may_write_into_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::empty();
    std::fs::create_dir(place.data()).unwrap();
    std::fs::set_permissions(place.data(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let output = program(place.directory.path()).arg("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("chmod 700"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_token_is_made_for_a_sub_account_that_exists() {
    let place = Place::with_user("ann@firm.example").await;
    let id = place.sub_account.to_string();
    let output = place.run(&["token", "create", "--sub-account", &id, "--json"]);
    let answer = json(&output);
    let token = answer["api_token"].as_str().unwrap();
    assert!(token.starts_with("mw_") && token.len() > 40);
    let store = Store::open(Options::new(place.url(), Holder::Command)).await.unwrap();
    let hash = mailweave::web::auth::token_hash(token);
    let owner = store.token_owner(&hash).await.unwrap();
    assert_eq!(owner.map(|owner| owner.sub_account), Some(place.sub_account));

    let nobody = "01930f2e-8b1a-7c3d-9e4f-5a6b7c8d9e0f";
    let output = place.run(&["token", "create", "--sub-account", nobody]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(&id), "it says which there are");
}

/// B12.
#[tokio::test]
async fn import_files_mbox_maildir_and_eml_and_nothing_twice() {
    let place = Place::with_user("ann@firm.example").await;
    let ann = "Ann <ann@firm.example>";
    let separator = "From ann@firm.example Mon Nov  2 10:00:00 2026\r\n";
    let mbox = [
        mail(ann, "Carl <carl@customer.example>", "1@firm.example"),
        mail("carl@customer.example", ann, "2@customer.example"),
        mail("carl@customer.example", "somebody@else.example", "held@customer.example"),
    ]
    .map(|mail| format!("{separator}{mail}\r\n"))
    .concat();
    let mbox = place.file("Sent", &mbox);
    place.file("dir/cur/1.host:2,S", &mail(ann, "dora@customer.example", "3@firm.example"));
    place.file("dir/.Old/new/2.host", &mail(ann, "emil@customer.example", "4@firm.example"));
    let maildir = place.directory.path().join("dir").display().to_string();
    let eml = place.file("one.eml", &mail(ann, "bob@firm.example", "1@firm.example"));

    let arguments = ["import", &mbox, &maildir, &eml, "--user", "ANN@firm.example", "--json"];
    let first = place.run(&arguments);
    let answer = json(&first);
    assert!(first.status.success(), "{answer}");
    assert_eq!(answer["mails"], 6);
    assert_eq!(answer["outcomes"]["held"]["unknown_sender"], 1);
    let filed = &answer["outcomes"]["filed"];
    assert_eq!(filed["filed"].as_u64().unwrap() + duplicates(&answer), 5, "{answer}");

    let again = json(&place.run(&arguments));
    assert_eq!(duplicates(&again), 5, "{again}");
    assert_eq!(again["waiting"], 1, "{again}");
    assert!(again["outcomes"].get("filed").is_none(), "{again}");
    assert!(again["outcomes"].get("held").is_none(), "{again}");

    let explained = place.run(&["explain", "<2@customer.example>"]);
    assert!(explained.status.success());
    let said = text(&explained.stdout);
    assert!(said.contains("carl@customer.example") && said.contains("door import"), "{said}");
}

fn duplicates(answer: &Value) -> u64 {
    answer["outcomes"]["duplicate"]["duplicate"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn one_bad_mail_stops_no_other() {
    let place = Place::with_user("ann@firm.example").await;
    let good = mail("ann@firm.example", "carl@customer.example", "1@firm.example");
    place.file("d/good.eml", &good);
    place.file("d/large.eml", &format!("{good}{}", "x".repeat(70_000)));
    place.file("d/odd.eml", "\0\0\0");
    let directory = place.directory.path().join("d").display().to_string();
    let missing = place.directory.path().join("missing").display().to_string();
    let output = place
        .command(&["import", &directory, &missing, "--user", "ann@firm.example", "--json"])
        .env("MAILWEAVE_SMTP__MAX_MESSAGE_BYTES", "65536")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let answer = json(&output);
    assert_eq!((&answer["outcomes"]["filed"]["filed"], &answer["failed"]), (&1.into(), &2.into()));
    let problems = answer["problems"].to_string();
    assert!(problems.contains("max_message_bytes") && problems.contains("missing"), "{problems}");
}

#[tokio::test]
async fn import_says_which_users_there_are() {
    let place = Place::with_user("ann@firm.example").await;
    let eml = place.file("a.eml", &mail("x@y.example", "z@y.example", "1@y.example"));
    let output = place.run(&["import", &eml, "--user", "nobody@firm.example"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("ann@firm.example"), "{output:?}");

    let other = place.add_user("ann@firm.example").await.to_string();
    let output = place.run(&["import", &eml, "--user", "ann@firm.example"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(&format!("--sub-account {other}")), "{output:?}");
    let arguments = ["import", &eml, "--user", "ann@firm.example", "--sub-account", &other];
    assert!(place.run(&arguments).status.success());
}

#[tokio::test]
async fn explain_tells_what_was_never_seen_from_what_is_no_id() {
    let place = Place::with_user("ann@firm.example").await;
    let never = place.run(&["explain", "<never@firm.example>"]);
    assert_eq!(never.status.code(), Some(1));
    assert!(text(&never.stdout).contains("never seen"));
    let never = place.run(&["explain", "never@firm.example", "--json"]);
    assert_eq!((never.status.code(), &json(&never)["verdicts"]), (Some(1), &Value::Array(vec![])));
    assert_eq!(place.run(&["explain", "<>"]).status.code(), Some(2));
}

fn statuses(output: &Output) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = json(output)["checks"].as_array().unwrap().clone();
    checks.iter().map(|check| (word(&check["name"]), word(&check["status"]))).collect()
}

#[test]
fn doctor_finds_no_fault_with_a_fresh_machine() {
    let place = Place::empty();
    let output = place.run(&["doctor", "--json"]);
    assert!(output.status.success(), "{output:?}");
    assert!(statuses(&output).contains(&("dns".to_owned(), "ok".to_owned())));
    let words = place.run(&["doctor"]);
    assert!(text(&words.stdout).contains("warn  data directory"), "{words:?}");
    assert!(!place.data().exists(), "looking makes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_asks_the_organisation_that_signs_people_in() {
    let provider = OpenId::start().await;
    let place = Place::empty();
    let configure = |issuer: &str| {
        let openid = format!(
            "[sign_in.openid]\nissuer = \"{issuer}\"\nclient_id = \"c\"\nname = \"Acme\"\nallowed_domains = [\"acme.example\"]\n"
        );
        let networks = "[outgoing]\nallowed_networks = [\"127.0.0.0/8\"]\n";
        place.file("config.toml", &format!("{openid}{networks}"));
    };
    let found = || statuses(&place.run(&["doctor", "--json"]));
    configure(&provider.issuer());
    assert!(found().contains(&("sign_in.openid".to_owned(), "ok".to_owned())));
    configure(&format!("{}/other", provider.issuer()));
    assert!(found().contains(&("sign_in.openid".to_owned(), "fail".to_owned())));
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_asking() {
    let place = Place::empty();
    let id = SubAccountId::OPERATOR.to_string();
    for command in [&["explain", "x@y.example"][..], &["token", "create", "--sub-account", &id]] {
        let output = place.run(command);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("there is no store at"), "{output:?}");
    }
    assert!(!place.data().exists());
}

#[tokio::test]
async fn doctor_looks_at_tables_and_leaves_them_as_they_are() {
    let place = Place::with_user("ann@firm.example").await;
    let versions = async |sql: &'static str| -> Vec<i64> {
        let mut store = sqlx::SqliteConnection::connect(&place.url()).await.unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut store).await.unwrap()
    };
    let all = versions("select version from _sqlx_migrations").await;
    let last =
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
    versions(last).await;
    let said = text(&place.run(&["doctor"]).stdout);
    assert!(
        said.contains("waits for 1 migrations") && said.contains("mailweave migrate"),
        "{said}"
    );
    let left = versions("select version from _sqlx_migrations").await;
    assert_eq!(left.len(), all.len() - 1, "looking runs no migration");
    versions("insert into _sqlx_migrations values (999, 'x', current_timestamp, true, x'00', 0)")
        .await;
    let output = place.run(&["doctor"]);
    assert!(text(&output.stdout).contains("of a newer version"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn doctor_tells_of_a_configuration_that_cannot_be_read() {
    let place = Place::empty();
    place.file("config.toml", "[smtp]\nlisten = 5\n");
    let output = place.run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(statuses(&output), [("configuration".to_owned(), "fail".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_compares_dns_with_the_configuration() {
    let complete = Zone::default()
        .mx("bcc.firm.example", 10, "mail.firm.example")
        .a("mail.firm.example", Ipv4Addr::new(192, 0, 2, 1))
        .txt("bcc.firm.example", "v=spf1 -all")
        .txt("_mta-sts.bcc.firm.example", "v=STSv1; id=7")
        .txt("_smtp._tls.bcc.firm.example", "v=TLSRPTv1; rua=mailto:a@firm.example");
    let elsewhere = Zone::default()
        .mx("bcc.firm.example", 10, "mx.other.example")
        .a("mail.firm.example", Ipv4Addr::new(192, 0, 2, 1));
    let broken = Zone::default().fault("", super::trust::zone::Fault::ServerFailure);
    for (zone, mx, address, spf) in [
        (complete, "ok", "ok", "ok"),
        (elsewhere, "fail", "ok", "warn"),
        (Zone::default(), "fail", "fail", "warn"),
        (broken, "fail", "fail", "fail"),
    ] {
        let server = zone.serve().await;
        let place = Place::empty();
        let output = place
            .command(&["doctor", "--json"])
            .env("MAILWEAVE_DNS__RESOLVER", server.address.to_string())
            .env("MAILWEAVE_SMTP__DOMAINS", "bcc.firm.example")
            .env("MAILWEAVE_SMTP__HOSTNAME", "mail.firm.example")
            .output()
            .unwrap();
        let found = statuses(&output);
        for (name, expected) in [
            ("MX bcc.firm.example", mx),
            ("A/AAAA mail.firm.example", address),
            ("SPF bcc.firm.example", spf),
        ] {
            assert!(found.contains(&(name.to_owned(), expected.to_owned())), "{name}: {found:?}");
        }
        assert_eq!(output.status.success(), mx == "ok");
    }
}
