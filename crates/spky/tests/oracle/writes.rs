//! Random writes of an application: one at a time, several in a transaction, aborted ones, and fights for one record.

use crate::support::{Random, World};

/// Statements that are sent together.
pub struct Write {
    pub surql: String,
    pub statements: usize,
}

impl Write {
    fn new(surql: String, statements: usize) -> Self {
        Write { surql, statements }
    }

    /// Sends the statements. That some of them fail is part of the plan: nothing of an aborted transaction may be seen.
    pub async fn run(&self, world: &World) {
        let answer = world.client.query(self.surql.clone()).await;
        if let Err(error) = answer {
            panic!("{}: {error}", self.surql);
        }
    }
}

/// Some writes of all kinds.
pub fn round(random: &mut Random) -> Vec<Write> {
    (0..60)
        .map(|_| match random.below(10) {
            0..=6 => Write::new(statement(random), 1),
            7 | 8 => {
                let count = 2 + random.below(5) as usize;
                let statements: Vec<String> = (0..count).map(|_| statement(random)).collect();
                Write::new(format!("BEGIN;\n{};\nCOMMIT;", statements.join(";\n")), count)
            }
            _ => {
                let (first, second) = (statement(random), statement(random));
                Write::new(format!("BEGIN;\n{first};\n{second};\nTHROW 'never mind';\nCOMMIT;"), 2)
            }
        })
        .collect()
}

/// Twenty writers update one record at once: most of them lose and are told so, and some win. Answers how many there
/// were.
pub async fn fight(world: &World, random: &mut Random) -> usize {
    let id = random.below(THREADS);
    let writers = (0..20).map(|number| {
        let client = world.client.clone();
        let surql = format!("UPSERT thread:{id} SET priority = {number}, fighter = {number}, status = 'open'");
        tokio::spawn(async move {
            // A lost conflict is an error of the statement, and exactly what is wanted here.
            let _ = client.query(surql).await;
        })
    });
    let writers: Vec<_> = writers.collect();
    let count = writers.len();
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    count
}

const THREADS: u64 = 24;

fn statement(random: &mut Random) -> String {
    let record = match random.below(12) {
        0 => format!("user:{}", random.below(4)),
        1 => format!("thread:['a', {}]", random.below(3)),
        2 => format!("thread:s{}", random.below(3)),
        _ => format!("thread:{}", random.below(THREADS)),
    };
    match random.below(10) {
        0..=3 => format!("UPSERT {record} CONTENT {}", content(random)),
        4 | 5 => format!("UPDATE {record} SET {} = {}", random.pick(FIELDS), value(random)),
        6 => format!("UPDATE {record} UNSET {}", random.pick(FIELDS)),
        7 => format!("UPDATE thread SET priority = {} WHERE status = 'open'", value(random)),
        _ => format!("DELETE {record}"),
    }
}

const FIELDS: &[&str] = &["author", "status", "priority", "tags", "meta", "title", "at", "flag", "items"];

fn content(random: &mut Random) -> String {
    let mut fields = Vec::new();
    for field in FIELDS {
        if random.below(4) != 0 {
            fields.push(format!("{field}: {}", of_field(random, field)));
        }
    }
    format!("{{ {} }}", fields.join(", "))
}

/// Mostly what the field usually holds, sometimes anything.
fn of_field(random: &mut Random, field: &str) -> String {
    if random.below(6) == 0 {
        return value(random);
    }
    match field {
        "author" => format!("user:{}", random.below(4)),
        "status" => random.pick(&["'open'", "'closed'", "'held'"]).to_owned(),
        "priority" => number(random),
        "tags" => format!("[{}]", (0..random.below(4)).map(|_| value(random)).collect::<Vec<_>>().join(", ")),
        "meta" => format!("{{ views: {}, deep: {{ level: {} }} }}", number(random), value(random)),
        "items" => {
            let item = |random: &mut Random| {
                let by = random.below(4);
                format!("{{ n: {}, b: [{}, {}], by: user:{by} }}", number(random), number(random), value(random))
            };
            format!("[{}]", (0..random.below(3)).map(|_| item(random)).collect::<Vec<_>>().join(", "))
        }
        "title" => random.pick(&["'hello'", "'Hello'", "'world'", "''"]).to_owned(),
        "at" => format!("d'2026-01-0{}T00:00:00Z'", 1 + random.below(5)),
        _ => random.pick(&["true", "false"]).to_owned(),
    }
}

fn number(random: &mut Random) -> String {
    match random.below(6) {
        0 => format!("{}f", random.below(10) as f64 / 2.0),
        1 => format!("{}dec", random.below(10) as f64 / 2.0),
        2 => format!("-{}", random.below(4)),
        _ => format!("{}", random.below(8)),
    }
}

/// Any value that can be stored.
pub fn value(random: &mut Random) -> String {
    match random.below(16) {
        0 => "NULL".to_owned(),
        1 => random.pick(&["true", "false"]).to_owned(),
        2..=5 => number(random),
        6..=8 => random.pick(&["'open'", "'closed'", "'hello'", "''", "'a'", "'b'"]).to_owned(),
        9 => format!("user:{}", random.below(4)),
        10 => format!("d'2026-01-0{}T00:00:00Z'", 1 + random.below(5)),
        11 => format!("{}h", 1 + random.below(3)),
        12 => "u'018f0000-0000-7000-8000-000000000001'".to_owned(),
        13 => format!("[{}, {}]", number(random), random.pick(&["'a'", "'b'", "'open'"])),
        14 => format!("{{ views: {}, a: 'x' }}", number(random)),
        _ => "[]".to_owned(),
    }
}
