//! The names of the tables that Sp00ky keeps for itself.

/// The prefix of system tables unless configured otherwise.
pub const DEFAULT_PREFIX: &str = "_00_";

/// Names of system tables under one prefix. All are plain text: whoever puts them into a query escapes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Names {
    prefix: String,
}

/// A text can't be the prefix of system tables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid prefix of system tables `{0}`: expected an underscore followed by letters, digits or underscores")]
pub struct NamesError(String);

impl Default for Names {
    fn default() -> Self {
        Names { prefix: DEFAULT_PREFIX.to_owned() }
    }
}

/// The table whose records are users, by convention. Users may be in any table; those in this one have edge tables with
/// the shortest names, which exist from sign-up on.
pub const USERS: &str = "user";

impl Names {
    /// Names under a prefix such as `_00_` or `_spooky_`.
    ///
    /// # Errors
    /// The prefix must begin with an underscore, so that no table of an application is taken for a system table by
    /// accident.
    pub fn new(prefix: &str) -> Result<Self, NamesError> {
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_plain || !prefix.starts_with('_') || prefix.len() < 2 {
            return Err(NamesError(prefix.to_owned()));
        }
        Ok(Names { prefix: prefix.to_owned() })
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// One record per view.
    pub fn query(&self) -> String {
        self.with("query")
    }

    /// One record per application record, with its version.
    pub fn version(&self) -> String {
        self.with("version")
    }

    /// The edges of views that belong to nobody, and of all views in `single` mode.
    pub fn list_ref(&self) -> String {
        self.with("list_ref")
    }

    /// The edges of one user's views in `dedicated` mode.
    ///
    /// `key` is the user's record key as SurrealQL writes it, so that `user:1` and `` user:`1` `` have tables of their
    /// own; users of a table that is not called `user` are told apart by a colon, which no unescaped key contains.
    pub fn list_ref_user(&self, table: &str, key: &str) -> String {
        if table == USERS {
            self.with(&format!("list_ref_user_{key}"))
        } else {
            self.with(&format!("list_ref_user_{table}:{key}"))
        }
    }

    /// Whether a table holds edges of views.
    pub fn is_list_ref(&self, table: &str) -> bool {
        let name = table.strip_prefix(&self.prefix);
        name.is_some_and(|name| name == "list_ref" || name.starts_with("list_ref_user_"))
    }

    /// Row records of views whose rows are no records: grouped and computed ones.
    pub fn row(&self) -> String {
        self.with("row")
    }

    /// The table that the start-up probe of the changefeed writes to.
    pub fn probe(&self) -> String {
        self.with("probe")
    }

    /// One record per sidecar of a cluster, with its epoch.
    pub fn ssp(&self) -> String {
        self.with("ssp")
    }

    /// One record per runner of jobs that is alive.
    pub fn runner(&self) -> String {
        self.with("runner")
    }

    /// One record per schedule of jobs, with how far it has come.
    pub fn schedule(&self) -> String {
        self.with("schedule")
    }

    /// What a replica of the database says of itself.
    pub fn replica(&self) -> String {
        self.with("replica")
    }

    /// The field of a pushed record that holds its version.
    pub fn version_field(&self) -> String {
        self.with("rv")
    }

    /// Whether a table belongs to Sp00ky and not to the application.
    pub fn is_system(&self, table: &str) -> bool {
        table.starts_with(&self.prefix)
    }

    fn with(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_configurable() {
        let names = Names::new("_spooky_").unwrap();
        assert_eq!(names.query(), "_spooky_query");
        assert_eq!(names.list_ref(), "_spooky_list_ref");
        assert_eq!(names.list_ref_user("user", "abc"), "_spooky_list_ref_user_abc");
        assert!(names.is_system("_spooky_version"));
        assert!(!names.is_system("_00_version"));
        assert_eq!(Names::default().version(), "_00_version");
    }

    #[test]
    fn users_of_two_tables_never_share_an_edge_table() {
        let names = Names::default();
        assert_ne!(names.list_ref_user("user", "a"), names.list_ref_user("customer", "a"));
        assert!(names.is_list_ref(&names.list_ref_user("customer", "a")));
        assert!(names.is_list_ref("_00_list_ref"));
        assert!(!names.is_list_ref("_00_query"));
        assert!(!names.is_list_ref("list_ref"));
    }

    #[test]
    fn a_prefix_that_could_hide_application_tables_is_refused() {
        for prefix in ["", "_", "a_", "_a b", "_`", "00_"] {
            assert!(Names::new(prefix).is_err(), "{prefix}");
        }
    }
}
