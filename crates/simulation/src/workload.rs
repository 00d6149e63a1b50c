//! What is written, and which views are kept of it.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value as Json, json};

pub const SCHEMA: &str = "DEFINE TABLE thing SCHEMALESS; DEFINE TABLE owner SCHEMALESS;";
/// The tables of the application.
pub const TABLES: [&str; 2] = ["thing", "owner"];

const THINGS: u32 = 30;
const OWNERS: u32 = 5;
const NUMBERS: u32 = 100;

/// A query that a client has registered.
#[derive(Clone, Debug)]
pub struct View {
    pub id: String,
    surql: &'static str,
    /// The name and the value of its parameter.
    param: (&'static str, String),
}

impl View {
    /// Makes up a view.
    pub fn random(random: &mut StdRng, number: usize) -> View {
        let owner = random.random_range(0..OWNERS);
        let n = random.random_range(0..NUMBERS);
        let (surql, param) = match random.random_range(0..6) {
            0 => ("SELECT * FROM thing WHERE owner = $owner", ("owner", format!("owner:{owner}"))),
            1 => ("SELECT * FROM thing WHERE n > $n", ("n", n.to_string())),
            2 => ("SELECT * FROM thing WHERE owner.n < $n ORDER BY n, id LIMIT 7", ("n", n.to_string())),
            3 => ("SELECT * FROM owner WHERE n < $n", ("n", n.to_string())),
            4 => ("SELECT * FROM thing WHERE owner.n = $n OR n = $n", ("n", n.to_string())),
            _ => ("SELECT * FROM thing WHERE n >= $n ORDER BY n DESC, id LIMIT 3 START 2", ("n", n.to_string())),
        };
        View { id: format!("view{number}"), surql, param }
    }

    /// The body of `POST /query/register`.
    pub fn registration(&self) -> Json {
        let (name, value) = &self.param;
        let params = format!("{{ {name}: {value} }}");
        json!({ "id": self.id, "surql": self.surql, "params": params, "clientId": "simulation", "ttl": "1h" })
    }

    /// Statements of which the last is the query.
    pub fn statements(&self) -> String {
        let (name, value) = &self.param;
        format!("LET ${name} = {value}; {}", self.surql)
    }
}

/// Makes up a transaction.
pub fn transaction(random: &mut StdRng) -> String {
    let thing = random.random_range(0..THINGS);
    let owner = random.random_range(0..OWNERS);
    let n = random.random_range(0..NUMBERS);
    match random.random_range(0..12) {
        0..=5 => format!("UPSERT thing:{thing} SET n = {n}, owner = owner:{owner}"),
        6 => format!("UPSERT owner:{owner} SET n = {n}"),
        7 => format!("DELETE thing:{thing}"),
        8 => format!("DELETE owner:{owner}"),
        9 => format!(
            "BEGIN; UPSERT thing:{thing} SET n = {n}, owner = owner:{owner}; UPSERT owner:{owner} SET n = {n}; COMMIT"
        ),
        10 => format!("BEGIN; UPSERT thing:{thing} SET n = {n}; DELETE owner:{owner}; THROW 'changed my mind'; COMMIT"),
        _ => format!("UPDATE thing SET n += 1 WHERE owner = owner:{owner}"),
    }
}

/// Whether a transaction never commits.
pub fn is_aborted(transaction: &str) -> bool {
    transaction.contains("THROW")
}
