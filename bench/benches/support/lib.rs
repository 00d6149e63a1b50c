//! What the benchmarks share: rows, contestants, and the contest between them.
//!
//! Each workload has three contestants, which do the same work in the same process and in turns:
//!
//! - the **engine**: SurrealQL text, compiled by `query` and maintained by `circuit`;
//! - the **peer**: the query as a dataflow of differential-dataflow, in which the parameters are a table of their own,
//!   arranged like any other;
//! - the **floor**: the same job written by hand for that one query, with hash maps and B-trees over native structs.
//!
//! Each is given a changed row as it is now, and finds out by itself what it was. The peer and the floor know the types
//! of all fields, and use integers where the engine has record ids and texts.
//!
//! At the end of a contest all three must have the same results, row for row.

pub mod by_author;
pub mod contest;
pub mod dataflow;
pub mod engine;
pub mod groups;
pub mod heap;
pub mod links;
pub mod options;
pub mod report;
pub mod results;
pub mod rows;
pub mod scans;
pub mod subqueries;
pub mod windows;
