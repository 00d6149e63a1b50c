//! What the database says of its tables: which there are, and what is defined on them.

use circuit::Value;
use surrealdb::types::Variables;

use crate::apply::sorted_tables;
use crate::connect::Database;
use crate::convert::from_sdk;
use crate::error::{Result, of_statement};
use crate::ident::escape;
use crate::pages::converting;
use crate::schema::TableInfo;

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
        for (number, table) in tables.into_iter().enumerate().filter(|(number, _)| !gone.contains_key(number)) {
            let of_table = answer.take(number).map_err(|error| of_statement(ACTION, &error))?;
            fields.push(from_sdk(of_table).map_err(converting(ACTION))?);
            known.push(table);
        }
        Ok(Structure { tables: known, database, fields })
    }
}
