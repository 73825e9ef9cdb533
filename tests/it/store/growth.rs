//! A million messages: every statement still finds its rows by an index, on both databases.

use mailweave::store::{Window, statements_as_text};

use super::*;

/// Statements that only erasure runs may read all of a sub-account.
const MAY_SCAN: [&str; 3] = ["VERDICTS_NAMING", "VERDICTS_OF_USER", "DISOWN_VERDICTS"];
/// Lists in the order of an index: they read no more than they show.
const LISTS: [&str; 8] = [
    "HELD",
    "LATEST_ACCOUNTS",
    "LOOKED_UPTO",
    "OWNERS_AFTER",
    "RECENT_MESSAGES",
    "RECENT_VERDICTS",
    "SEARCH",
    "VERDICTS",
];
/// The tables that grow with the mail.
const LARGE: [&str; 6] =
    ["messages", "aliases", "threads", "verdicts", "message_contacts", "events"];

/// A million messages and their ids, a tenth of it elsewhere: what is read of those does not depend on it.
/// `{id}` is the row's id, `{of}` the sub-account, `{one}` one of a thousand ids, `{hash}` of a mail.
const FILL: [&str; 6] = [
    "insert into messages (sub_account, id, state, conversation_id, thread_id, message_id, in_reply_to, reference_ids, kind, recipients_to, recipients_cc, subject, at, doors, text_hash, id_conflict, forwarded, raw_size, raw) select {of}, {id}, 'filed', {one}, {id}, '', '', '', 'mail', '', '', '', i, 1, {hash}, {no}, {no}, 0, {hash} from n",
    "insert into aliases (sub_account, key, slot, message_id, own) select {of}, {hash}, {nil}, {id}, {no} from n",
    "insert into threads (sub_account, id, conversation_id, subject, sync, participants, created_at) select {of}, {id}, {one}, '', 'none', '[]', i from n where i % 10 = 0",
    "insert into verdicts (sub_account, id, at, door, reason, outcome, matched, stored_message_id) select {of}, {id}, i, 'smtp', 'filed', 'filed', '{}', {id} from n where i % 10 = 0",
    "insert into message_contacts (sub_account, contact_id, message_id) select {of}, {one}, {id} from n where i % 10 = 0",
    "insert into events (sub_account, position, id, type, object_id, at) select {of}, i, {id}, 'message.filed', {id}, i from n where i % 10 = 0",
];

impl Fresh {
    async fn fill(&self, sql: &str) {
        let (numbers, id, one, hash) = if self.is_postgres() {
            (
                "with n(i) as (select generate_series(1, 1000000))",
                "lpad(to_hex(i), 32, '0')::uuid",
                "lpad(to_hex(i % 1000), 32, '0')::uuid",
                "decode(lpad(to_hex(i), 32, '0'), 'hex')",
            )
        } else {
            (
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000)",
                "cast(printf('%016d', i) as blob)",
                "cast(printf('%016d', i % 1000) as blob)",
                "cast(printf('%016d', i) as blob)",
            )
        };
        let no = if self.is_postgres() { "false" } else { "0" };
        let (of, nil) = (self.id(ACCOUNT.0), self.id(Uuid::nil()));
        let (insert, select) = sql.split_once(" select ").unwrap();
        let text = format!("{insert} {numbers} select {select}")
            .replace("{of}", &of)
            .replace("{id}", id)
            .replace("{one}", one)
            .replace("{hash}", hash)
            .replace("{nil}", &nil)
            .replace("{no}", no);
        self.sql(&text).await;
    }

    async fn plan(&self, sql: &str) -> String {
        let text = if self.is_postgres() {
            let values = sql.split('$').skip(1).filter_map(|rest| {
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
            });
            let nulls = vec!["null"; values.max().unwrap_or(0)].join(", ");
            let call = if nulls.is_empty() { "q".to_owned() } else { format!("q({nulls})") };
            format!(
                "set plan_cache_mode = force_generic_plan; prepare q as {sql}; explain execute {call}"
            )
        } else {
            format!("explain query plan {sql}")
        };
        let rows = self.sql(&text).await;
        let lines: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
        lines.join("\n")
    }
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_of_a_million_messages() {
    for fresh in both().await {
        for sql in FILL {
            fresh.fill(sql).await;
        }
        assert_eq!(fresh.count("messages").await, 1_000_000);
        // SQLite is told once how much there may be of what; PostgreSQL finds out by itself.
        if fresh.is_postgres() {
            fresh.sql("analyze").await;
        }
        let faults = fresh.faults().await;
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    }
}

#[tokio::test]
async fn what_is_held_is_counted_however_much_has_expired_since() {
    for fresh in both().await {
        fresh
            .fill(
                "insert into verdicts (sub_account, id, at, door, reason, outcome, matched) \
                 select {of}, {id}, i, 'smtp', case when i <= 3 then 'unknown_sender' else 'expired' end, \
                 'held', '{}' from n where i <= 1500",
            )
            .await;
        assert_eq!(fresh.store.held_count(ACCOUNT, None).await.unwrap(), 3);
        let (_, sql) = statements_as_text(fresh.is_postgres()).find(|it| it.0 == "HELD").unwrap();
        let plan = fresh.plan(&sql).await;
        // So few rows PostgreSQL may read as they are.
        assert!(fresh.is_postgres() || plan.contains("verdicts_held"), "{plan}");
    }
}

#[tokio::test]
async fn what_is_somebodys_of_an_outcome_or_waits_is_found_by_its_index() {
    for fresh in both().await {
        for (name, index) in [
            ("VERDICTS_OF_OWNER", "verdicts_user"),
            ("SEARCH_OF_OWNER", "verdicts_user"),
            ("LOOKED_UPTO_OF_OWNER", "verdicts_user"),
            ("VERDICTS_OF_OUTCOME", "verdicts_outcome"),
            ("SEARCH_OF_OUTCOME", "verdicts_outcome"),
            ("LOOKED_UPTO_OF_OUTCOME", "verdicts_outcome"),
            ("NUMBERS", "webhook_deliveries_pending"),
        ] {
            let (_, sql) = statements_as_text(fresh.is_postgres()).find(|it| it.0 == name).unwrap();
            let plan = fresh.plan(&sql).await;
            // An empty table PostgreSQL may read as it is.
            assert!(fresh.is_postgres() || plan.contains(index), "{name}:\n{plan}");
        }
    }
}

#[tokio::test]
async fn a_search_goes_on_behind_what_it_looks_at_at_once() {
    for fresh in both().await {
        fresh
            .fill(
                "insert into verdicts (sub_account, id, at, door, reason, outcome, matched, message_id) \
                 select {of}, {id}, i, 'smtp', 'filed', 'filed', '{}', \
                 case when i = 1 then 'needle@x' end from n where i <= 20100",
            )
            .await;
        let search = async |after| {
            let window = Window { after, limit: 51 };
            let found = fresh.store.search_activity(ACCOUNT, (None, None), "needle", window).await;
            let (found, further) = found.unwrap();
            (found.len(), further)
        };
        let (found, further) = search(None).await;
        assert!(found == 0 && further.is_some(), "it says that it has not looked at all");
        assert_eq!(search(further).await, (1, None));
    }
}

impl Fresh {
    /// The statements that read all of a table, or all that is a user's where one mail is asked about.
    async fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, sql) in statements_as_text(self.is_postgres()) {
            let plan = self.plan(&sql).await;
            let scanned = LARGE.into_iter().find(|table| is_scanned(&plan, table));
            if let Some(table) = scanned.filter(|_| !MAY_SCAN.contains(&name)) {
                faults.push(format!("{name} reads all of {table}:\n{plan}"));
            }
            let joined = plan.lines().find(|line| is_all_of_an_account(line));
            if joined.is_some() && !MAY_SCAN.contains(&name) && !LISTS.contains(&name) {
                faults.push(format!("{name} reads all of a sub-account:\n{plan}"));
            }
            let is_of_one = sql.contains("verdicts.stored_message_id =");
            if is_of_one && plan.contains("INDEX verdicts_user (") {
                faults.push(format!("{name} reads all verdicts of a user:\n{plan}"));
            }
        }
        faults
    }
}

/// Of a large table SQLite looks for the sub-account alone, or goes on from some place in it. The events are
/// those of a sub-account in their order.
fn is_all_of_an_account(line: &str) -> bool {
    let of_large = LARGE.into_iter().filter(|table| *table != "events").any(|table| {
        ["INDEX {}_", "_{}_", "SEARCH {} USING PRIMARY KEY"]
            .iter()
            .any(|pattern| line.contains(&pattern.replace("{}", table)))
    });
    let Some((_, terms)) = line.split_once("(sub_account=?") else { return false };
    of_large && line.contains("SEARCH") && !terms.contains("=?")
}

fn is_scanned(plan: &str, table: &str) -> bool {
    let scans = [format!("SCAN {table}"), format!("Seq Scan on {table}")];
    plan.lines().any(|line| scans.iter().any(|scan| line.contains(scan)) && !line.contains("USING"))
}

/// SQLite reads all of a sub-account's rows where it is not told that an index finds fewer.
#[tokio::test]
async fn sqlite_is_told_of_every_index_of_what_grows_with_the_mail() {
    let [sqlite, _] = both().await;
    let tables = LARGE.map(|table| format!("'{table}'")).join(", ");
    let untold = sqlite
        .sql(&format!(
            "select name from sqlite_master where type = 'index' and tbl_name in ({tables}) \
             and name not in ('verdicts_expires', 'verdicts_recheck', 'sqlite_autoindex_aliases_1', \
             'sqlite_autoindex_events_1') and name not in (select idx from sqlite_stat1)"
        ))
        .await;
    assert!(untold.is_empty(), "a migration is to say how much these find: {untold:?}");
    let unknown = sqlite
        .sql("select idx from sqlite_stat1 where idx <> tbl and idx not in (select name from sqlite_master)")
        .await;
    assert!(unknown.is_empty(), "{unknown:?}");
}
