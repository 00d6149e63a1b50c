//! A schema whose permissions are drawn anew each time.

use crate::support::Random;

/// Tables of plain records.
pub const TABLES: &[&str] = &["user", "org", "post", "note", "grant"];
/// Tables of edges.
pub const EDGES: &[&str] = &["likes", "member"];

/// Users that sign up, and stay.
pub const USERS: &[&str] = &["ada", "bob", "eve"];

/// What a table may say behind `PERMISSIONS`.
const TABLE: &[&str] = &[
    "",
    "PERMISSIONS NONE",
    "PERMISSIONS FULL",
    "PERMISSIONS FULL",
    "PERMISSIONS FULL",
    "FOR select WHERE true",
    "FOR select WHERE pub",
    "FOR select WHERE !pub",
    "FOR select WHERE owner = $auth",
    "FOR select WHERE owner = $auth.id OR pub",
    "FOR select WHERE owner = $auth OR owner = NONE",
    "FOR select WHERE n > 1",
    "FOR select WHERE org = $auth.org",
    "FOR select WHERE org = $auth.org OR id = $auth",
    "FOR select WHERE owner.org = $auth.org",
    "FOR select WHERE $auth IN [owner, link]",
    "FOR select WHERE owner IN $auth.links OR owner = $auth",
    "FOR select WHERE $auth.links CONTAINS id",
    "FOR select WHERE id IN (SELECT VALUE item FROM grant WHERE who = $auth)",
    "FOR select WHERE owner IN (SELECT VALUE id FROM user WHERE org = $auth.org)",
    "FOR select WHERE (SELECT VALUE id FROM grant WHERE who = $auth AND item = $parent.id) != []",
    "FOR select WHERE ->likes->user CONTAINS $auth",
    "FOR select WHERE $auth IN <-likes<-user OR pub",
    "FOR select WHERE $auth->member->org CONTAINS org",
    "FOR select WHERE $auth.n >= n",
    "FOR select WHERE link.pub OR link.link.pub",
    "FOR select WHERE $this.pub = true AND $auth.pub",
    "FOR select WHERE $access = 'account' AND n < 3",
    "FOR select WHERE $access = 'other' OR n < 3",
    "FOR select WHERE owner.name = 'ada' OR n = 0",
    "FOR select WHERE s IN ['a', 'b']",
    "FOR select WHERE links CONTAINS $auth OR links.pub CONTAINS true",
    "FOR select WHERE tags[WHERE $this = 'x'] != []",
    "FOR select WHERE tags[WHERE $parent.s = 'a'] != []",
    "FOR select WHERE o.city = 'B' OR o.link = $auth",
    "FOR select WHERE count(->likes) > 0 OR count(<-likes) > 0",
    "FOR select WHERE $auth = NONE OR $auth.n = NONE OR $auth.n > 2",
    "FOR select WHERE tags",
    "FOR select WHERE array::len(links ?? []) > 1",
    "FOR select WHERE { LET $mine = $auth.org; org = $mine }",
    "FOR select WHERE IF pub THEN n > 0 ELSE owner = $auth END",
];

/// What a field may say.
const FIELDS: &[&str] = &[
    "DEFINE FIELD n ON {t} TYPE any PERMISSIONS FOR select NONE",
    "DEFINE FIELD n ON {t} TYPE any PERMISSIONS FOR select WHERE pub",
    "DEFINE FIELD n ON {t} TYPE any PERMISSIONS FOR select WHERE $value > 1",
    "DEFINE FIELD n ON {t} TYPE any PERMISSIONS FOR select WHERE owner = $auth",
    "DEFINE FIELD s ON {t} TYPE any PERMISSIONS FOR select WHERE owner.org = $auth.org",
    "DEFINE FIELD link ON {t} TYPE any PERMISSIONS FOR select WHERE $value != $auth",
    "DEFINE FIELD link ON {t} TYPE any PERMISSIONS FOR select NONE",
    "DEFINE FIELD pub ON {t} TYPE any PERMISSIONS FOR select WHERE id IN (SELECT VALUE item FROM grant WHERE who = $auth)",
    "DEFINE FIELD pub ON {t} TYPE any PERMISSIONS FOR select NONE",
    "DEFINE FIELD o.city ON {t} TYPE any PERMISSIONS FOR select WHERE pub",
    "DEFINE FIELD o.link ON {t} TYPE any PERMISSIONS FOR select NONE",
    "DEFINE FIELD owner ON {t} TYPE any PERMISSIONS FOR select WHERE $auth.n > 1",
    "DEFINE FIELD in ON likes TYPE record PERMISSIONS FOR select NONE",
];

/// The statements that define the schema.
pub fn draw(random: &mut Random) -> Vec<String> {
    let mut statements = vec![
        "DEFINE ACCESS account ON DATABASE TYPE RECORD SIGNUP (CREATE type::record('user', $name) SET name = $name) \
         SIGNIN (SELECT * FROM type::record('user', $name)) DURATION FOR TOKEN 1d, FOR SESSION 1d"
            .to_owned(),
    ];
    for table in TABLES {
        statements.push(format!("DEFINE TABLE {table} SCHEMALESS {}", permissions(random)));
    }
    for table in EDGES {
        statements.push(format!("DEFINE TABLE {table} TYPE RELATION SCHEMALESS {}", permissions(random)));
    }
    for _ in 0..random.below(4) {
        let table = random.pick(TABLES);
        statements.push(random.pick(FIELDS).replace("{t}", table).replace("DEFINE FIELD", "DEFINE FIELD OVERWRITE"));
    }
    statements
}

fn permissions(random: &mut Random) -> String {
    let permission = random.pick(TABLE);
    match permission.strip_prefix("FOR") {
        Some(rest) => format!("PERMISSIONS FOR{rest}"),
        None => permission.to_owned(),
    }
}
