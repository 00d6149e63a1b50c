//! What job tables need in the database. As in [`crate::schema`], only text is made here.

use std::fmt::Write;

use protocol::Names;

use crate::ident::escape;

/// The index by which due jobs are found.
pub(crate) const INDEX: &str = "due";

/// Who may write a field of a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The user who creates the job, once.
    Creator,
    /// The runner; a job begins with the default, and its creator can give nothing else.
    Runner(&'static str),
    /// The runner; only it sees the field.
    Hidden,
}

/// The fields of a job: name, type with default and assertion, who writes it.
///
/// Measured on SurrealDB 3.3.5: a record user's `create` passes over a field that the user may not create, its default
/// included, and also its type; only an assertion is looked at. So the permission of such a field is that it has its
/// default, and an assertion refuses a job whose field was dropped: it would be one that nobody can write any more.
const FIELDS: [(&str, &str, Writer); 21] = [
    ("path", "TYPE string ASSERT string::starts_with($value, '/')", Writer::Creator),
    ("payload", "TYPE any", Writer::Creator),
    ("executor_type", "TYPE option<string>", Writer::Creator),
    ("timeout", "TYPE option<duration>", Writer::Creator),
    ("run_at", "TYPE option<datetime>", Writer::Creator),
    ("retry_strategy", "TYPE string DEFAULT 'exponential' ASSERT $value IN ['linear', 'exponential']", Writer::Creator),
    ("max_retries", "TYPE int DEFAULT 3 ASSERT $value >= 0 AND $value <= 100", Writer::Creator),
    (
        "created_by",
        "TYPE option<record> DEFAULT IF type::is_record($auth) { $auth } ELSE { NONE }",
        Writer::Runner("$value = $auth"),
    ),
    (
        "status",
        "TYPE string DEFAULT 'pending' \
         ASSERT $value IN ['pending', 'processing', 'in_progress', 'success', 'completed', 'failed']",
        Writer::Runner("$value = 'pending'"),
    ),
    ("retries", "TYPE int DEFAULT 0 ASSERT $value != NONE", Writer::Runner("$value = 0")),
    ("errors", "TYPE array<object> FLEXIBLE DEFAULT [] ASSERT $value != NONE", Writer::Runner("$value = []")),
    ("result", "TYPE any", Writer::Runner("$value = NONE")),
    ("attempts", "TYPE int DEFAULT 0 ASSERT $value != NONE", Writer::Runner("$value = 0")),
    (
        "next_attempt_at",
        // A job that is made to wait again by hand is due at once, and not when its callback would have been.
        "TYPE datetime DEFAULT run_at ?? time::now() \
         VALUE IF $this.status = 'pending' AND $value != NONE AND $value = $this.deadline { time::now() } \
             ELSE { $value } \
         ASSERT $value != NONE",
        Writer::Runner("$value = run_at OR (run_at = NONE AND $value > time::now() - 1m)"),
    ),
    ("process_uuid", "TYPE option<string>", Writer::Hidden),
    ("owner", "TYPE option<string>", Writer::Hidden),
    ("deadline", "TYPE option<datetime>", Writer::Hidden),
    ("schedule", "TYPE option<string>", Writer::Runner("$value = NONE")),
    ("started_at", "TYPE option<datetime>", Writer::Runner("$value = NONE")),
    ("finished_at", "TYPE option<datetime>", Writer::Runner("$value = NONE")),
    ("updated_at", "TYPE datetime VALUE time::now()", Writer::Runner("true")),
];

/// The fields that an application may define in its own way, before Sp00ky is applied; the others are the runner's.
const OPEN: [&str; 9] =
    ["path", "payload", "executor_type", "timeout", "run_at", "retry_strategy", "max_retries", "created_by", "status"];

/// The job tables, and what runners keep for themselves.
pub(crate) fn script(names: &Names, tables: &[String]) -> String {
    let (runner, schedule) = (escape(&names.runner()), escape(&names.schedule()));
    let mut text = format!(
        "-- The runners of jobs that are alive, and how far each schedule has come.\n\
         DEFINE TABLE OVERWRITE {runner} TYPE NORMAL SCHEMALESS PERMISSIONS NONE;\n\
         DEFINE TABLE OVERWRITE {schedule} TYPE NORMAL SCHEMALESS PERMISSIONS NONE;\n\n"
    );
    for table in tables {
        text.push_str(&job_table(table));
    }
    text
}

fn job_table(name: &str) -> String {
    let table = escape(name);
    let own = "WHERE type::is_record($auth) AND created_by = $auth";
    let mut text = format!(
        "-- The jobs of {}: users create jobs and see their own.\n\
         DEFINE TABLE IF NOT EXISTS {table} TYPE NORMAL SCHEMAFULL PERMISSIONS\n    \
         FOR select {own}\n    FOR create {own}\n    FOR update, delete NONE;\n",
        name.replace(['\n', '\r'], " ")
    );
    for (field, definition, writer) in FIELDS {
        let how = if OPEN.contains(&field) { "IF NOT EXISTS" } else { "OVERWRITE" };
        let permissions = match writer {
            Writer::Creator => "FOR select, create FULL FOR update NONE".to_owned(),
            Writer::Runner(default) => format!("FOR select FULL FOR create WHERE {default} FOR update NONE"),
            Writer::Hidden => "NONE".to_owned(),
        };
        // Writing to a string can't fail.
        let _ = writeln!(text, "DEFINE FIELD {how} {field} ON {table} {definition} PERMISSIONS {permissions};");
    }
    // IF NOT EXISTS, as to define it again is to build it again.
    let _ = writeln!(text, "DEFINE INDEX IF NOT EXISTS {INDEX} ON {table} FIELDS status, next_attempt_at;\n");
    text
}
