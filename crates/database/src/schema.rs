//! The SurrealQL that Sp00ky installs in a database. Only text is made here: what `--dry-run` prints is what is run.
//!
//! Everything is idempotent: definitions are overwritten, tables keep their rows, and an application's own changefeed
//! is left as it is.

use std::fmt::Write;

use protocol::{Names, USERS};

use crate::ident::{escape, literal};

/// How changes of the application's records reach the SSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The SSP tails the database's changefeed.
    Feed,
    /// The database posts every change to the SSP from inside the writing transaction.
    Push,
}

/// Where the edges of views with a user go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefMode {
    /// To a table of each user, whose permission names that user.
    #[default]
    Dedicated,
    /// To one table, whose permission compares.
    Single,
}

/// What is to be installed.
#[derive(Clone)]
pub struct SchemaOptions {
    pub names: Names,
    pub capture: Capture,
    pub ref_mode: RefMode,
    /// How long changefeeds reach back, as SurrealQL writes a duration. An SSP that was away for longer reads the
    /// tables again.
    pub retention: std::time::Duration,
    /// The SSP's address as the database sees it, without a slash at the end: `http://127.0.0.1:8667`.
    pub ssp_url: String,
    /// The bearer token of the SSP. It stands in function bodies, which only owners of the database can read.
    pub secret: String,
    /// The tables whose records are jobs.
    pub job_tables: Vec<String>,
}

impl SchemaOptions {
    /// Capture by changefeed, reaching back a day, and a table of edges for each user.
    pub fn new(names: Names, ssp_url: impl Into<String>, secret: impl Into<String>) -> Self {
        SchemaOptions {
            names,
            capture: Capture::Feed,
            ref_mode: RefMode::default(),
            retention: std::time::Duration::from_secs(24 * 60 * 60),
            ssp_url: ssp_url.into(),
            secret: secret.into(),
            job_tables: Vec::new(),
        }
    }
}

/// Everything but the secret.
impl std::fmt::Debug for SchemaOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchemaOptions")
            .field("names", &self.names)
            .field("capture", &self.capture)
            .field("ref_mode", &self.ref_mode)
            .field("retention", &self.retention)
            .field("ssp_url", &self.ssp_url)
            .field("job_tables", &self.job_tables)
            .finish_non_exhaustive()
    }
}

/// A table as the database describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    pub name: String,
    /// A number of the database's own: a table that is removed and defined again gets another one.
    pub id: u64,
    pub has_changefeed: bool,
    /// By which capture our event on it is, which counts the versions of its records. Only
    /// [`Database::structure`](crate::Database::structure) looks.
    pub event: Option<Capture>,
    /// Whether its rows are computed from another table (`DEFINE TABLE … AS SELECT`).
    pub is_view: bool,
}

impl TableInfo {
    /// A table that is about to be defined.
    pub(crate) fn missing(name: &str) -> TableInfo {
        TableInfo { name: name.to_owned(), id: 0, has_changefeed: false, event: None, is_view: false }
    }

    /// Whether nothing of it escapes this capture.
    pub fn is_captured(&self, capture: Capture) -> bool {
        self.event == Some(capture) && (self.has_changefeed || capture == Capture::Push)
    }
}

/// All that is to be installed for these application tables, system tables among them are skipped.
pub fn script(options: &SchemaOptions, tables: &[TableInfo]) -> String {
    let mut text = system(options);
    text.push_str(&crate::jobs::schema::script(&options.names, &options.job_tables));
    for table in tables.iter().filter(|table| !options.names.is_system(&table.name)) {
        text.push_str(&capture(options, table));
    }
    text
}

/// The system tables and functions.
fn system(options: &SchemaOptions) -> String {
    let mut text = String::new();
    text.push_str(&query_table(&options.names));
    text.push_str(&version_table(options));
    text.push_str(&edge_table(&options.names));
    text.push_str(&row_table(&options.names));
    let probe = escape(&options.names.probe());
    let retention = protocol::format_duration(options.retention);
    let _ = writeln!(
        text,
        "-- The start-up probe of the changefeed writes here.\n\
         DEFINE TABLE OVERWRITE {probe} TYPE NORMAL SCHEMALESS CHANGEFEED {retention} PERMISSIONS NONE;\n"
    );
    let _ = writeln!(
        text,
        "-- The sidecars of a cluster, each with its epoch.\n\
         DEFINE TABLE OVERWRITE {} TYPE NORMAL SCHEMALESS PERMISSIONS NONE;\n",
        escape(&options.names.ssp())
    );
    text.push_str(&functions(options));
    text
}

fn query_table(names: &Names) -> String {
    let query = escape(&names.query());
    // A client may see its own views and give signs of life for them, nothing else.
    let mut text = format!(
        "-- One record per view.\n\
         DEFINE TABLE OVERWRITE {query} TYPE NORMAL SCHEMAFULL PERMISSIONS\n    \
         FOR select, update WHERE $auth.id != NONE AND authId = $auth.id\n    FOR create, delete NONE;\n"
    );
    let read_only = "FOR select FULL FOR create, update NONE";
    for (field, kind, permissions) in [
        ("surql", "string", read_only),
        ("params", "option<object> FLEXIBLE", read_only),
        ("clientId", "string", read_only),
        ("authId", "option<record>", read_only),
        ("access", "any", "NONE"),
        ("token", "any", "NONE"),
        ("ttl", "duration", read_only),
        ("lastActiveAt", "datetime", "FOR select, update FULL FOR create NONE"),
        ("format", "string", read_only),
        ("frequency", "option<string>", read_only),
        ("ssp", "option<string>", "NONE"),
        ("hash", "option<string>", read_only),
        ("rowCount", "option<int>", read_only),
        ("result", "any", read_only),
        ("error", "option<string>", read_only),
    ] {
        let _ = writeln!(text, "DEFINE FIELD OVERWRITE {field} ON {query} TYPE {kind} PERMISSIONS {permissions};");
    }
    // Who looks for expired views need not look at the others.
    let _ = writeln!(
        text,
        "DEFINE FIELD OVERWRITE expiresAt ON {query} TYPE datetime VALUE lastActiveAt + ttl \
         PERMISSIONS FOR select, create NONE FOR update FULL;\n\
         DEFINE INDEX IF NOT EXISTS expiry ON {query} FIELDS expiresAt;"
    );
    // Edges go with the view because they are edges; row records need to be told.
    let _ = writeln!(
        text,
        "DEFINE EVENT OVERWRITE {} ON TABLE {query} WHEN $event = 'DELETE' THEN {{ {} }};",
        escape(&names.row()),
        delete_rows(names, "$before.id")
    );
    text.push('\n');
    text
}

/// Statements that delete the row records of a view. `view` is an expression of its record id.
pub(crate) fn delete_rows(names: &Names, view: &str) -> String {
    let rows = escape(&names.row());
    // No key contains a control character, so the range ends behind the last row of the view.
    format!(
        "LET $key = record::id({view}); LET $next = string::concat($key, '\\u{{1}}'); \
         DELETE {rows}:[$key]..[$next] RETURN NONE;"
    )
}

fn version_table(options: &SchemaOptions) -> String {
    let version = escape(&options.names.version());
    let retention = protocol::format_duration(options.retention);
    format!(
        "-- The version of every record, under the record's id: 1, 2, 3, …\n\
         DEFINE TABLE OVERWRITE {version} TYPE NORMAL SCHEMALESS CHANGEFEED {retention} PERMISSIONS NONE;\n\n"
    )
}

/// The shared table of edges.
fn edge_table(names: &Names) -> String {
    let edges = escape(&names.list_ref());
    let query = escape(&names.query());
    // A view without a user has edges without `auth_id`, and NONE = NONE: without the first condition guests would see
    // them.
    format!(
        "-- The results of views that have no user, and of all views in single mode.\n\
         DEFINE TABLE OVERWRITE {edges} TYPE RELATION IN {query} SCHEMALESS PERMISSIONS\n    \
         FOR select WHERE $auth.id != NONE AND auth_id = $auth.id\n    FOR create, update, delete NONE;\n\n"
    )
}

/// The table of row records, whatever the mode: dedicated tables would need an event for each user.
fn row_table(names: &Names) -> String {
    let rows = escape(&names.row());
    format!(
        "-- The rows of results that are no records, such as groups.\n\
         DEFINE TABLE OVERWRITE {rows} TYPE NORMAL SCHEMALESS PERMISSIONS\n    \
         FOR select WHERE $auth.id != NONE AND auth_id = $auth.id\n    FOR create, update, delete NONE;\n\n"
    )
}

/// The table of one user's edges. `user` is the user's record id as SurrealQL writes it.
pub(crate) fn user_edge_table(names: &Names, table: &str, user: &str) -> String {
    let edges = escape(table);
    let query = escape(&names.query());
    format!(
        "DEFINE TABLE IF NOT EXISTS {edges} TYPE RELATION IN {query} SCHEMALESS PERMISSIONS \
         FOR select WHERE $auth.id = {user} FOR create, update, delete NONE;\n"
    )
}

fn functions(options: &SchemaOptions) -> String {
    let query = literal(&options.names.query());
    let url = literal(&format!("{}/view/register", options.ssp_url));
    let bearer = literal(&format!("Bearer {}", options.secret));
    // Parameters travel as SurrealQL text, which keeps all types. Who asks is not for the client to say. `$auth.id`
    // reads the user's record, which the user need not be allowed to; `$auth` is that record's id.
    format!(
        "-- Registers a view at the SSP and answers its first result.\n\
DEFINE FUNCTION OVERWRITE fn::query::register($view: object) {{
    RETURN http::post({url}, {{
        id: <string> $view.id,
        surql: $view.surql ?? $view.sql,
        clientId: $view.clientId,
        ttl: <string> $view.ttl,
        params: IF type::is_object($view.params) {{ <string> $view.params }} ELSE {{ $view.params }},
        format: $view.format,
        frequency: $view.frequency,
        authId: IF type::is_record($auth) {{ <string> $auth }} ELSE {{ NONE }},
        access: $access,
        token: $token
    }}, {{ Authorization: {bearer} }});
}} PERMISSIONS WHERE type::is_record($auth);

-- A sign of life for one of the caller's own views. Answers whether there was such a view.
DEFINE FUNCTION OVERWRITE fn::query::heartbeat($id: any) {{
    LET $text = <string> IF type::is_record($id) {{ record::id($id) }} ELSE {{ $id }};
    LET $key = IF string::contains($text, ':') {{ array::join(array::slice(string::split($text, ':'), 1), ':') }} ELSE {{ $text }};
    LET $alive = (UPDATE type::record({query}, $key) SET lastActiveAt = time::now() WHERE authId = $auth RETURN VALUE id);
    RETURN array::len($alive) > 0;
}} PERMISSIONS WHERE type::is_record($auth);

"
    )
}

/// What the capture needs on one table of the application.
pub(crate) fn capture(options: &SchemaOptions, table: &TableInfo) -> String {
    let name = escape(&table.name);
    // A comment ends at whatever Unicode takes for the end of a line.
    let mut text = format!("-- {}\n", table.name.escape_default());
    if options.capture == Capture::Feed && !table.has_changefeed {
        let retention = protocol::format_duration(options.retention);
        let _ = writeln!(text, "ALTER TABLE {name} CHANGEFEED {retention};");
    }
    text.push_str(&version_event(options, &name));
    if table.name == USERS {
        text.push_str(&user_event(options));
    }
    text.push('\n');
    text
}

/// Gives a user a table of edges in the very transaction that makes the user, so that it is there when the first
/// session begins, and takes it away with the user.
///
/// Which user the table is of is in its name. That is the permission: a definition can't be put together from values.
fn user_event(options: &SchemaOptions) -> String {
    let event = escape(&options.names.list_ref());
    if options.ref_mode == RefMode::Single {
        return format!("REMOVE EVENT IF EXISTS {event} ON TABLE {USERS};\n");
    }
    let prefix = literal(&options.names.list_ref_user(USERS, ""));
    let query = escape(&options.names.query());
    // What follows `user:` in the text of an id.
    let key = USERS.len() + 1;
    format!(
        "DEFINE EVENT OVERWRITE {event} ON TABLE {USERS} WHEN $event != 'UPDATE' THEN {{
    LET $edges = string::concat({prefix}, string::slice(<string> $value.id, {key}));
    IF $event = 'CREATE' {{
        DEFINE TABLE IF NOT EXISTS $edges TYPE RELATION IN {query} SCHEMALESS PERMISSIONS
            FOR select WHERE record::tb(id) = string::concat({prefix}, string::slice(<string> $auth.id, {key}))
            FOR create, update, delete NONE
    }} ELSE {{
        REMOVE TABLE IF EXISTS $edges
    }}
}};\n"
    )
}

/// The event that posts changes. Where there is a changefeed, one with the name of the version table counts them instead.
pub(crate) fn push_event(names: &Names) -> String {
    format!("{}ingest", names.prefix())
}

fn version_event(options: &SchemaOptions, table: &str) -> String {
    let version = literal(&options.names.version());
    let event = escape(&options.names.version());
    // Records that are older than this event have no row yet and count as version 1. The row outlives the record, so
    // that one that is deleted and created again goes on counting: else a client could not tell the two apart. It says
    // whether the record is gone, so that nobody has to look. UPDATE and then CREATE takes half the time of UPSERT, which
    // tries to create first and rolls back to a save point.
    let bump = format!(
        "LET $counter = type::record({version}, [$value.id]); \
         LET $gone = IF $event = 'DELETE' {{ true }} ELSE {{ NONE }}; \
         LET $version = (UPDATE $counter SET version += 1, gone = $gone RETURN VALUE version)[0] \
         ?? (CREATE $counter SET version = IF $event = 'CREATE' {{ 1 }} ELSE {{ 2 }}, gone = $gone \
         RETURN VALUE version)[0];"
    );
    let push = escape(&push_event(&options.names));
    match options.capture {
        Capture::Feed => format!(
            "DEFINE EVENT OVERWRITE {event} ON TABLE {table} WHEN true THEN {{ {bump} }};\n\
             REMOVE EVENT IF EXISTS {push} ON TABLE {table};\n"
        ),
        Capture::Push => {
            let url = literal(&format!("{}/ingest", options.ssp_url));
            let bearer = literal(&format!("Bearer {}", options.secret));
            let field = escape(&options.names.version_field());
            format!(
                "REMOVE EVENT IF EXISTS {event} ON TABLE {table};\n\
                 DEFINE EVENT OVERWRITE {push} ON TABLE {table} WHEN true THEN {{
    {bump}
    LET $record = object::extend($value, {{ {field}: $version }});
    http::post({url}, {{
        table: record::tb($value.id),
        op: $event,
        id: <string> $value.id,
        record: $record,
        content: encoding::base64::encode(encoding::cbor::encode($record))
    }}, {{ Authorization: {bearer} }});
}};\n"
            )
        }
    }
}
