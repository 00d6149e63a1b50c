//! What a record user is shown: select permissions, compiled into plans. How they agree with SurrealDB is compared in
//! `crates/spky/tests/permissions`; here is what does not need a database.

#[allow(dead_code, reason = "its vocabulary is for mutations")]
#[path = "common/corpus.rs"]
mod corpus;
#[path = "common/well_formed.rs"]
mod well_formed;

use std::sync::Arc;

use circuit::{Change, Circuit, Object, Plan, Value};
use query::{Catalog, Error, ErrorKind, FieldFacts, Permission, compile, compile_as, parse_record_id, parse_value};
use well_formed::assert_well_formed;

/// Tables and their permissions: `FULL`, `NONE`, or a condition.
fn catalog(tables: &[(&str, &str)]) -> Catalog {
    let mut catalog = Catalog::default();
    for (name, permission) in tables {
        catalog.define(*name, &self::permission(permission), &[]);
    }
    catalog
}

fn permission(text: &str) -> Permission {
    match text {
        "FULL" => Permission::Full,
        "NONE" => Permission::None,
        condition => Permission::Where(condition.to_owned()),
    }
}

fn field(name: &str, permission: &str) -> FieldFacts {
    FieldFacts { name: name.to_owned(), select: self::permission(permission), is_computed: false }
}

fn caller(user: &str) -> Object {
    let user = Value::from(parse_record_id(user).expect("a record id"));
    [(Arc::from("authId"), user), (Arc::from("access"), Value::from("account"))].into_iter().collect()
}

fn plan(text: &str, user: &str, catalog: &Catalog) -> Plan {
    let plan = compile_as(text, &caller(user), catalog).unwrap_or_else(|error| panic!("{text}: {error}")).plan;
    assert_well_formed(&plan);
    plan
}

fn refusal(text: &str, catalog: &Catalog) -> Error {
    match compile_as(text, &caller("user:ada"), catalog) {
        Ok(query) => panic!("{text} compiled to {query:?}"),
        Err(error) => error,
    }
}

/// A circuit with records, each `id { .. }`, and their next versions.
struct World {
    circuit: Circuit,
    version: u64,
}

impl World {
    fn new(records: &[&str]) -> World {
        let mut world = World { circuit: Circuit::new(Arc::new(query::SurrealLibrary)), version: 0 };
        world.write(records);
        world
    }

    fn write(&mut self, records: &[&str]) {
        self.version += 1;
        let change = |record: &&str| {
            let (id, fields) = record.split_once(' ').expect("an id and fields");
            let id = parse_record_id(id).expect("a record id");
            let Ok(Value::Object(fields)) = parse_value(fields) else { panic!("no object: {record}") };
            let fields = fields.iter().map(|(name, value)| (name.clone(), value.clone()));
            let content = fields.chain([(Arc::from("id"), Value::from(id.clone()))]).collect();
            Change { id, version: self.version, content: Some(content) }
        };
        let changes = records.iter().map(change).collect();
        self.circuit.step(changes);
    }

    fn answer(&mut self, plan: &Plan) -> Value {
        let result = self.circuit.register(plan);
        self.circuit.answer(result, &plan.output).expect("an answer")
    }

    #[track_caller]
    fn assert_answer(&mut self, text: &str, user: &str, catalog: &Catalog, expected: &str) {
        let answer = self.answer(&plan(text, user, catalog));
        assert_eq!(answer, parse_value(expected).expect("a value"), "{text} for {user}");
    }
}

const RECORDS: &[&str] = &[
    "org:1 { name: 'Acme' }",
    "user:ada { name: 'Ada', org: org:1, links: [post:1, post:2] }",
    "user:bob { name: 'Bob', org: org:2 }",
    "post:1 { n: 1, owner: user:ada, secret: 1 }",
    "post:2 { n: 2, owner: user:bob, secret: 2 }",
    "post:3 { n: 3, owner: user:bob, pub: true, secret: 3 }",
    "likes:1 { in: user:ada, out: post:1 }",
    "likes:2 { in: user:ada, out: post:2 }",
    "likes:3 { in: user:ada, out: post:9 }",
];

fn own_or_public() -> Catalog {
    catalog(&[("post", "owner = $auth OR pub"), ("user", "id = $auth.id"), ("likes", "FULL"), ("org", "NONE")])
}

/// Catches a reading of records that no permission is asked for.
#[test]
fn a_record_that_may_not_be_read_is_not_there() {
    let (mut world, catalog) = (World::new(RECORDS), own_or_public());
    for (text, ada) in [
        ("SELECT VALUE id FROM post", "[post:1, post:3]"),
        ("SELECT VALUE id FROM post WHERE n > 1", "[post:3]"),
        ("SELECT VALUE id FROM post ORDER BY n DESC LIMIT 2", "[post:3, post:1]"),
        ("SELECT VALUE id FROM post:1..4", "[post:1, post:3]"),
        ("SELECT VALUE id FROM post:2", "[]"),
        ("SELECT VALUE id FROM [post:1, post:2]", "[post:1]"),
        ("SELECT VALUE id FROM ONLY post:2", "NONE"),
        ("SELECT VALUE id FROM org", "[]"),
        ("SELECT count() FROM post GROUP ALL", "[{ count: 2 }]"),
        ("SELECT VALUE owner.name FROM post", "['Ada', NONE]"),
        ("SELECT VALUE id FROM post WHERE owner.name = NONE", "[post:3]"),
        ("SELECT id, owner.name AS k FROM post ORDER BY k, id", "[{ id: post:3, k: NONE }, { id: post:1, k: 'Ada' }]"),
        (
            "SELECT owner FROM post FETCH owner.org",
            "[{ owner: { id: user:ada, name: 'Ada', org: NONE, \
          links: [post:1, post:2] } }, { owner: NONE }]",
        ),
        ("SELECT VALUE links.n FROM user", "[[1, NONE]]"),
        ("SELECT VALUE ->likes->post FROM user", "[[post:1]]"),
        ("SELECT VALUE ->likes->post.n FROM user", "[[1]]"),
        ("SELECT VALUE id FROM user WHERE ->likes->post.n CONTAINS 2", "[]"),
        ("SELECT VALUE (SELECT VALUE id FROM post WHERE owner = $parent.id) FROM user", "[[post:1]]"),
        ("SELECT VALUE id FROM $auth.links", "[post:1]"),
        ("SELECT VALUE n FROM (SELECT VALUE links[1] FROM user)", "[NONE]"),
        (
            "SELECT VALUE [$auth, $auth.name, $auth.org.name, $access] FROM post:1",
            "[[user:ada, 'Ada', NONE, 'account']]",
        ),
        ("SELECT VALUE (SELECT VALUE $auth.org.name FROM ONLY post:1) FROM user", "[NONE]"),
    ] {
        world.assert_answer(text, "user:ada", &catalog, ada);
    }
    world.assert_answer("SELECT VALUE id FROM post", "user:bob", &catalog, "[post:2, post:3]");
}

/// Catches permissions that are asked inside of permissions, where SurrealDB reads everything.
#[test]
fn a_permission_itself_may_read_everything() {
    let mut world = World::new(RECORDS);
    for post in
        ["owner.name = 'Bob'", "owner IN (SELECT VALUE id FROM user WHERE name = 'Bob')", "$auth.org = owner.org"]
    {
        let catalog = catalog(&[("post", post), ("user", "NONE"), ("likes", "FULL"), ("org", "FULL")]);
        world.assert_answer("SELECT VALUE id FROM post", "user:bob", &catalog, "[post:2, post:3]");
        world.assert_answer("SELECT VALUE [post:1.n, post:2.n] FROM post:2", "user:bob", &catalog, "[[NONE, 2]]");
        world.assert_answer("SELECT VALUE owner.name FROM post", "user:bob", &catalog, "[NONE, NONE]");
        world.assert_answer("SELECT VALUE $auth.org.id FROM post", "user:bob", &catalog, "[NONE, NONE]");
    }
}

/// Catches `count` answering a row where SurrealDB shows a record user none.
#[test]
fn a_group_of_no_rows_is_not_shown() {
    let (mut world, catalog) = (World::new(&RECORDS[..1]), catalog(&[("post", "n > 1"), ("org", "NONE")]));
    for (text, expected) in [
        ("SELECT count() FROM post GROUP ALL", "[{ count: 0 }]"),
        ("SELECT count() FROM org GROUP ALL", "[]"),
        ("SELECT count() FROM post WHERE n = 1 GROUP ALL", "[]"),
        ("SELECT math::sum(n) AS sum FROM post GROUP ALL", "[]"),
    ] {
        world.assert_answer(text, "user:ada", &catalog, expected);
    }
    let rest: &[&str] = &["post:1 { n: 2 }"];
    world.write(rest);
    world.assert_answer("SELECT math::sum(n) AS sum FROM post GROUP ALL", "user:ada", &catalog, "[{ sum: 2 }]");
}

/// Catches a field that is compared, ordered by or shown though it may not be read.
#[test]
fn fields_have_permissions_of_their_own() {
    let mut world = World::new(RECORDS);
    let mut catalog = catalog(&[("user", "FULL"), ("likes", "FULL")]);
    let post = [field("secret", "$value > 1 AND owner = $auth"), field("pub", "NONE")];
    catalog.define("post", &Permission::Full, &post);
    for (text, bob) in [
        ("SELECT VALUE secret FROM post", "[NONE, 2, 3]"),
        ("SELECT * FROM post:3", "[{ id: post:3, n: 3, owner: user:bob, secret: 3 }]"),
        ("SELECT VALUE id FROM post WHERE secret = 1", "[]"),
        ("SELECT VALUE id FROM post WHERE n < 3 AND secret = NONE", "[post:1]"),
        ("SELECT VALUE id FROM post ORDER BY secret DESC, id LIMIT 2", "[post:3, post:2]"),
        ("SELECT VALUE [post:1.secret, post:2.secret, post:3.pub] FROM user:bob", "[[NONE, 2, NONE]]"),
        ("SELECT VALUE post:3.* FROM user:bob", "[{ id: post:3, n: 3, owner: user:bob, secret: 3 }]"),
    ] {
        world.assert_answer(text, "user:bob", &catalog, bob);
    }
}

/// Catches a result that the change of the user's own record, or of what a permission reads, leaves as it was.
#[test]
fn what_a_permission_reads_is_watched() {
    let (mut world, catalog) = (
        World::new(RECORDS),
        catalog(&[
            ("post", "owner.org = $auth.org OR id IN (SELECT VALUE post FROM grant WHERE who = $auth)"),
            ("grant", "NONE"),
            ("user", "NONE"),
        ]),
    );
    let plan = plan("SELECT VALUE id FROM post", "user:ada", &catalog);
    let mut tables = Vec::new();
    plan.tables(&mut |name| tables.push(name.to_string()));
    assert_eq!(tables, ["post", "grant"], "a plan names the tables that its permissions read");
    let result = world.circuit.register(&plan);
    let check = |world: &mut World, changed: &[&str], expected: &str| {
        world.write(changed);
        let answer = world.circuit.answer(result, &plan.output).expect("an answer");
        assert_eq!(answer, parse_value(expected).expect("a value"), "after {changed:?}");
    };
    check(&mut world, &[], "[post:1]");
    check(&mut world, &["user:ada { org: org:2 }"], "[post:1, post:2, post:3]");
    check(&mut world, &["user:bob { org: org:1 }"], "[post:1]");
    check(&mut world, &["grant:1 { who: user:ada, post: post:3 }"], "[post:1, post:3]");
    check(&mut world, &["grant:1 { who: user:bob, post: post:3 }"], "[post:1]");
}

/// Catches a template for each user, and a change that looks at all of them.
#[test]
fn users_share_a_template_and_a_change_finds_those_it_concerns() {
    let mut world = World::new(RECORDS);
    let mut catalog = own_or_public();
    catalog.define("post", &Permission::Where("owner = $auth".to_owned()), &[field("secret", "owner = $auth")]);
    let texts = ["SELECT id, n FROM post WHERE n > 1", "SELECT id, owner.name FROM post ORDER BY n LIMIT 3"];
    for text in texts {
        for user in 0..200 {
            let plan = plan(text, &format!("user:{user}"), &catalog);
            assert_eq!(plan.template, self::plan(text, "user:ada", &catalog).template, "{text}");
            world.circuit.register(&plan);
        }
    }
    assert!(world.circuit.size().templates <= 6, "{:?}", world.circuit.size());
    let before = world.circuit.work();
    world.write(&["post:4 { n: 7, owner: user:7 }"]);
    let work = world.circuit.work() - before;
    assert!(work.bindings_probed < 20 && work.rows_examined < 20 && work.records_read < 20, "{work:?}");
}

#[test]
fn what_is_not_sure_to_be_readable_is_refused() {
    let catalog =
        catalog(&[("post", "fn::mine(owner)"), ("note", "owner = $parent.id"), ("org", "owner ="), ("user", "FULL")]);
    for (text, of, reason) in [
        ("SELECT * FROM post", "table post", "the function fn::mine() is defined in the database"),
        ("SELECT * FROM note", "table note", "$parent outside of a subquery has no meaning"),
        ("SELECT * FROM org", "table org", "Unexpected end of file"),
        ("SELECT link.name FROM user", "table note", "$parent outside of a subquery has no meaning"),
        ("SELECT * FROM user FETCH link", "table note", "$parent outside of a subquery has no meaning"),
        (
            "SELECT (SELECT * FROM post) AS posts FROM user",
            "table post",
            "the function fn::mine() is defined in the database",
        ),
    ] {
        let error = refusal(text, &catalog);
        assert_eq!(error.code(), "UNSUPPORTED_QUERY");
        let ErrorKind::Permission { of: actual, reason: why, .. } = &error.kind else { panic!("{text}: {error}") };
        assert!(actual == of && why.contains(reason), "{text}: {error}");
    }
    assert!(
        matches!(refusal("SELECT * FROM nowhere", &catalog).kind, ErrorKind::UnknownTable { name } if name == "nowhere")
    );
    for parameter in ["$session.ip = '::1'", "$given = 1", "$value = 1"] {
        let catalog = self::catalog(&[("post", parameter)]);
        assert!(matches!(refusal("SELECT * FROM post", &catalog).kind, ErrorKind::Permission { .. }), "{parameter}");
    }
    // Where SurrealDB asks permissions in an older executor.
    let catalog = self::catalog(&[("user", "->likes->user CONTAINS $auth"), ("post", "FULL")]);
    for text in ["SELECT links.map(|$link| $link.n) AS ns FROM user", "SELECT record::exists(link) AS e FROM post"] {
        assert!(matches!(refusal(text, &catalog).kind, ErrorKind::Unsupported { .. }), "{text}");
    }
    plan("SELECT links.map(|$link| $link.n) AS ns FROM post", "user:ada", &own_or_public());
    let mut computed = Catalog::default();
    computed.define("post", &Permission::Full, &[FieldFacts { is_computed: true, ..field("sum", "FULL") }]);
    assert!(matches!(refusal("SELECT * FROM post", &computed).kind, ErrorKind::Unsupported { .. }));
}

/// Catches the service's own queries being subject to permissions, and a client that says who it is.
#[test]
fn who_asks_is_the_callers_id_alone() {
    let catalog = catalog(&[("post", "NONE")]);
    let nobody: Object = [(Arc::from("auth"), Value::from("me"))].into_iter().collect();
    let own = compile_as("SELECT * FROM post", &nobody, &catalog).expect("compiles").plan;
    assert_eq!(own, compile("SELECT * FROM post", &nobody).expect("compiles").plan);
    let both =
        caller("user:ada").iter().chain(nobody.iter()).map(|(name, value)| (name.clone(), value.clone())).collect();
    let catalog = self::catalog(&[("post", "FULL")]);
    let own = compile_as("SELECT VALUE $auth FROM post", &both, &catalog).expect("compiles").plan;
    assert_eq!(own, plan("SELECT VALUE $auth FROM post", "user:ada", &catalog));
}

/// Catches a table of which the fields were not told counting as readable.
#[test]
fn a_catalog_is_read_from_what_the_database_says() {
    let database = "{ tables: [{ name: 'a-b', permissions: { select: 'owner = $auth' } }, \
                    { name: 'post', permissions: { select: true } }, { name: 'org', permissions: { select: false } }] }";
    let mut catalog = Catalog::read_database(&parse_value(database).expect("a value")).expect("a structure");
    assert_eq!(catalog.tables().collect::<Vec<_>>(), ["a-b", "org", "post"]);
    assert!(matches!(refusal("SELECT * FROM post", &catalog).kind, ErrorKind::Unsupported { .. }));
    let table = "{ fields: [{ name: 'secret', kind: 'any', permissions: { select: false } }, \
                 { name: 'tags.*', permissions: { select: true } }, { name: 'a.b', permissions: { select: '$value' } }] }";
    let table = parse_value(table).expect("a value");
    catalog.read_table("org", &table).expect("a structure");
    catalog.read_table("a-b", &parse_value("{ fields: [] }").expect("a value")).expect("a structure");
    catalog.read_table("post", &table).expect("a structure");
    plan("SELECT * FROM `a-b`, org", "user:ada", &catalog);
    let count = "SELECT count() FROM `a-b` WHERE n = 1 GROUP ALL";
    plan(count, "user:ada", &catalog);
    let indexed = parse_value("{ fields: [], indexes: [{ name: 'n' }] }").expect("a value");
    catalog.read_table("a-b", &indexed).expect("a structure");
    assert!(matches!(refusal(count, &catalog).kind, ErrorKind::Unsupported { .. }));
    plan(&count.replace("WHERE", "WITH NOINDEX WHERE"), "user:ada", &catalog);
    let error = refusal("SELECT * FROM post", &catalog);
    assert!(matches!(error.kind, ErrorKind::Permission { of, .. } if of == "field a.b of table post"));
    assert!(Catalog::read_database(&Value::None).is_err() && catalog.read_table("nowhere", &table).is_err());
}

/// Catches a plan that reads through slots which it does not have, for all that there is in the language.
#[test]
fn every_query_is_well_formed_for_a_record_user() {
    let mut compiled = 0;
    for text in corpus::queries() {
        let Ok(query) = compile(text, &caller("user:ada")) else { continue };
        let mut names = Vec::new();
        query.plan.tables(&mut |name| names.push(name.to_string()));
        let mut catalog = catalog(&[("user", "org = $auth.org"), ("org", "id IN (SELECT VALUE org FROM user)")]);
        for name in names {
            let fields = [field("name", "owner = $auth"), field("n", "NONE")];
            catalog.define(name, &Permission::Where("owner = $auth.id OR owner.org = $auth.org".to_owned()), &fields);
        }
        if let Ok(query) = compile_as(text, &caller("user:ada"), &catalog) {
            assert_well_formed(&query.plan);
            compiled += 1;
        }
    }
    assert!(compiled > 100, "{compiled} queries compiled");
}

/// Catches a column that is computed too late: the rows of both operators are kept in one relation, and the query that
/// needs the column first is worked on in a later stage.
#[test]
fn columns_of_derived_rows_are_ready_for_every_stage() {
    let mut world = World::new(&[]);
    for text in [
        "SELECT id, (SELECT VALUE 1 FROM org) AS x FROM (SELECT * FROM post)",
        "SELECT * FROM (SELECT * FROM post) WHERE n IN (SELECT VALUE n FROM (SELECT * FROM org))",
    ] {
        world.answer(&compile(text, &caller("user:ada")).expect("compiles").plan);
    }
    let text = "SELECT VALUE id FROM (SELECT * FROM user) ORDER BY n LIMIT 4";
    let plan = compile(text, &caller("user:ada")).expect("compiles").plan;
    let result = world.circuit.register(&plan);
    world.write(&["user:1 { n: 1 }", "user:2 { n: 0 }"]);
    let answer = world.circuit.answer(result, &plan.output).expect("an answer");
    assert_eq!(answer, parse_value("[user:2, user:1]").expect("a value"));
}
