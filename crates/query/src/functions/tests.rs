//! Nothing that SurrealDB's parser takes for a function or a method is forgotten.

use std::collections::BTreeSet;

use surrealdb_expr::expr::method::BUILTIN_METHOD_NAMES;
use surrealdb_sql::builtin_paths::{PATHS, PathKind};

use super::{applying, applying_method, method, native, of_records, reason};

/// Functions and methods that read a record.
const OF_RECORDS: &[&str] = &["exists", "is_edge"];

fn functions() -> BTreeSet<String> {
    let functions = PATHS.entries().filter(|(_, (kind, _))| matches!(kind, PathKind::Function));
    functions.map(|(name, _)| name.to_lowercase()).collect()
}

#[test]
fn every_function_is_called_or_refused_with_a_reason() {
    let functions = functions();
    assert!(functions.len() > 400, "SurrealDB has functions");
    for name in functions {
        let is_of_records = name.strip_prefix("record::").is_some_and(|name| OF_RECORDS.contains(&name));
        let is_called = native(&name).is_some() || applying(&name).is_some() || is_of_records;
        // Some are only refused when they are called without an argument.
        let is_refused = reason(&name, 9).is_some();
        assert!(is_called != is_refused, "{name}: called {is_called}, refused {is_refused}");
    }
}

#[test]
fn every_method_is_called_or_belongs_to_files() {
    const OF_FILES: &[&str] = &[
        "bucket",
        "copy",
        "copy_if_not_exists",
        "delete",
        "get",
        "head",
        "key",
        "list",
        "put",
        "put_if_not_exists",
        "rename",
        "rename_if_not_exists",
    ];
    for name in BUILTIN_METHOD_NAMES {
        let is_called = method(name).is_some() || applying_method(name).is_some() || OF_RECORDS.contains(name);
        let is_refused = OF_FILES.contains(name) || *name == "shuffle";
        assert!(is_called != is_refused, "{name}: called {is_called}, refused {is_refused}");
    }
}

#[test]
fn functions_of_records_are_lowered() {
    for name in OF_RECORDS {
        let argument = [circuit::Expr::Row];
        assert!(of_records(&format!("record::{name}"), &argument).is_some(), "{name}");
    }
}
