//! Statements for many rows at once. Where such a statement says `{rows uuid text}`, a list of rows of
//! those column types (PostgreSQL's names) is put: `(values ($1, $2), ($3, $4))`.
//!
//! The list is as long as the next power of two, filled up with rows of nulls, so that there are ten
//! texts of a statement at most and each is parsed once: a statement therefore leaves out rows whose
//! first column is null (`where column1 is not null`; a join does so by itself).

use std::fmt::Write;

use sqlx::SqlSafeStr;
use sqlx::{AssertSqlSafe, SqlStr};

use super::value::Value;

/// At most so many rows in one statement. A page of a mailbox has 500 mails, and eight statements for each
/// thing that is asked about them took longer than what they asked.
pub(super) const ROWS_MAX: usize = 512;
/// And of each statement of those that are run together: measured at arriving mail, more gain nothing.
const ROWS_TOGETHER_MAX: usize = 64;

/// The statements that `rows`, row after row, need, each with its values.
pub(super) fn statements(
    sql: &'static str,
    rows: Vec<Value>,
    is_postgres: bool,
) -> impl Iterator<Item = (SqlStr, Vec<Value>)> {
    let width = Template::of(sql).width();
    let mut rest = rows;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let after = rest.split_off(rest.len().min(ROWS_MAX * width));
        let mut values = std::mem::replace(&mut rest, after);
        let count = (values.len() / width).next_power_of_two();
        fill_up(&mut values, width, count);
        Some((with_rows(sql, count, is_postgres), values))
    })
}

/// All of these statements as one text, each for its own rows, filled up to the same number: so there
/// are seven texts at most. `None` when a list is too long for that, or most are empty. For SQLite alone.
pub(super) fn together(statements: &[(&'static str, Vec<Value>)]) -> Option<(SqlStr, Vec<Value>)> {
    let rows =
        |(sql, values): &(&'static str, Vec<Value>)| values.len() / Template::of(sql).width();
    let most = statements.iter().map(rows).max()?;
    let used = statements.iter().filter(|(_, values)| !values.is_empty()).count();
    if most > ROWS_TOGETHER_MAX || used * 2 < statements.len() {
        return None;
    }
    let count = most.next_power_of_two();
    let mut text = String::new();
    let mut all = Vec::new();
    for (sql, values) in statements {
        text.push_str(with_rows(sql, count, false).as_str());
        text.push(';');
        all.extend(values.iter().cloned());
        let missing = Template::of(sql).width() * count - values.len();
        // To SQLite a null has no type.
        all.extend(std::iter::repeat_n(Value::Int(None), missing));
    }
    // Made of constant statements and numbers.
    Some((AssertSqlSafe(text).into_sql_str(), all))
}

fn fill_up(values: &mut Vec<Value>, width: usize, count: usize) {
    let nulls: Vec<Value> = values.iter().take(width).map(Value::null).collect();
    while values.len() < count * width {
        values.extend(nulls.iter().cloned());
    }
}

/// The text of a statement for so many rows. PostgreSQL is told the types in the first row.
pub(super) fn with_rows(sql: &'static str, count: usize, is_postgres: bool) -> SqlStr {
    let template = Template::of(sql);
    if template.types.is_empty() {
        return SqlStr::from_static(sql);
    }
    let names: Vec<&str> = template.types.split_whitespace().collect();
    let mut text = String::with_capacity(sql.len() + count * template.types.len());
    text.push_str(template.before);
    for row in 0..count {
        text.push_str(if row == 0 { "(values (" } else { "), (" });
        for (column, name) in names.iter().enumerate() {
            let comma = if column == 0 { "" } else { ", " };
            let number = row * names.len() + column + 1;
            // Writing to a String cannot fail. SQLite looks a numbered place up by going through all
            // before it, so that a long list took a time that grew with its square.
            let _ = match (is_postgres, row) {
                (true, 0) => write!(text, "{comma}${number}::{name}"),
                (true, _) => write!(text, "{comma}${number}"),
                (false, _) => write!(text, "{comma}?"),
            };
        }
    }
    text.push_str("))");
    text.push_str(template.after);
    // Made of a constant statement and numbers.
    AssertSqlSafe(text).into_sql_str()
}

struct Template {
    before: &'static str,
    types: &'static str,
    after: &'static str,
}

impl Template {
    fn of(sql: &'static str) -> Self {
        let parts = sql.split_once("{rows ").and_then(|(before, rest)| {
            let (types, after) = rest.split_once('}')?;
            Some(Self { before, types, after })
        });
        parts.unwrap_or(Self { before: sql, types: "", after: "" })
    }

    /// How many columns a row has.
    fn width(&self) -> usize {
        self.types.split_whitespace().count().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_up_to_a_power_of_two() {
        const SQL: &str = "insert into t (a, b) select * from {rows bigint text} as added";
        let rows = (0..3_i64).flat_map(|n| [Value::from(n), Value::from("x")]).collect();
        let made: Vec<(SqlStr, Vec<Value>)> = statements(SQL, rows, true).collect();
        assert_eq!(made.len(), 1);
        assert_eq!(
            made[0].0.as_str(),
            "insert into t (a, b) select * from (values ($1::bigint, $2::text), ($3, $4), ($5, $6), ($7, $8)) as added"
        );
        assert_eq!(made[0].1.len(), 8);
        assert!(matches!(made[0].1[6], Value::Int(None)));
    }

    #[test]
    fn runs_nothing_for_no_rows_and_twice_for_more_than_512() {
        const SQL: &str = "select 1 from {rows bigint} as asked";
        assert_eq!(statements(SQL, Vec::new(), false).count(), 0);
        let rows = (0..513_i64).map(Value::from).collect();
        let made: Vec<(SqlStr, Vec<Value>)> = statements(SQL, rows, false).collect();
        assert_eq!(made.iter().map(|(_, values)| values.len()).collect::<Vec<_>>(), [512, 1]);
    }
}
