//! What the database says of its tables: which there are, and what is defined on them.

use std::collections::BTreeSet;

use circuit::{Object, Value};
use surrealdb::types::Variables;

use crate::apply::sorted_tables;
use crate::connect::Database;
use crate::convert::from_sdk;
use crate::error::{Result, of_statement};
use crate::ident::escape;
use crate::pages::converting;
use crate::schema::{Capture, TableInfo, push_event};

/// What `INFO FOR .. STRUCTURE` answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Structure {
    /// The application's tables, in the order of their names.
    pub tables: Vec<TableInfo>,
    /// Of the database, with all tables and their permissions.
    pub database: Value,
    /// Of each of [`Structure::tables`], with its fields and their permissions.
    pub fields: Vec<Value>,
}

impl Database {
    /// What is defined now. Two requests. A table that goes away between them is left out.
    pub async fn structure(&self) -> Result<Structure> {
        const ACTION: &str = "reading what is defined";
        let info = self.run(ACTION, "INFO FOR DB STRUCTURE", Variables::new()).await?.take(0)?;
        let database = from_sdk(info.clone()).map_err(converting(ACTION))?;
        let mut tables = sorted_tables(ACTION, info)?;
        tables.retain(|table| !self.names().is_system(&table.name));
        if tables.is_empty() {
            return Ok(Structure { tables, database, fields: Vec::new() });
        }
        let text: String =
            tables.iter().map(|table| format!("INFO FOR TABLE {} STRUCTURE;", escape(&table.name))).collect();
        let mut answer = self.send(ACTION, text, Variables::new()).await?;
        let gone = answer.take_errors();
        let mut fields = Vec::with_capacity(tables.len());
        let mut known = Vec::with_capacity(tables.len());
        let (counting, pushing) = (self.names().version(), push_event(self.names()));
        for (number, mut table) in tables.into_iter().enumerate().filter(|(number, _)| !gone.contains_key(number)) {
            let of_table = answer.take(number).map_err(|error| of_statement(ACTION, &error))?;
            let of_table = from_sdk(of_table).map_err(converting(ACTION))?;
            let has = |event: &str| entries(&of_table, "events").any(|defined| string(defined, "name") == Some(event));
            table.event = [(&counting, Capture::Feed), (&pushing, Capture::Push)]
                .into_iter()
                .find_map(|(event, capture)| has(event).then_some(capture));
            fields.push(of_table);
            known.push(table);
        }
        Ok(Structure { tables: known, database, fields })
    }
}

impl Structure {
    /// The tables with fields that are computed when they are read, and the names of these: what is stored of them is
    /// outdated. Of a field inside of another one, the outer one is named.
    pub fn computed_fields(&self) -> impl Iterator<Item = (&str, BTreeSet<String>)> {
        let is_computed = |field: &&Object| !matches!(field.get("computed"), None | Some(Value::None));
        let tables = self.tables.iter().zip(&self.fields).map(move |(table, of_table)| {
            let fields = entries(of_table, "fields").filter(is_computed);
            let names = fields.filter_map(|field| string(field, "name")).map(|path| outer(path).to_owned());
            (table.name.as_str(), names.collect::<BTreeSet<_>>())
        });
        tables.filter(|(_, names)| !names.is_empty())
    }
}

/// The first name of a path.
fn outer(path: &str) -> &str {
    match path.strip_prefix('`') {
        Some(quoted) => quoted.split('`').next().unwrap_or(quoted),
        None => path.split(['.', '[']).next().unwrap_or(path),
    }
}

/// What is defined on a table, of one kind.
fn entries<'a>(of_table: &'a Value, kind: &str) -> impl Iterator<Item = &'a Object> {
    let defined = match of_table {
        Value::Object(info) => info.get(kind),
        _ => None,
    };
    let items: &[Value] = match defined {
        Some(Value::Array(items)) => items,
        _ => &[],
    };
    items.iter().filter_map(|item| match item {
        Value::Object(entry) => Some(&**entry),
        _ => None,
    })
}

fn string<'a>(entry: &'a Object, field: &str) -> Option<&'a str> {
    match entry.get(field) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
