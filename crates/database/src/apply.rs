//! Installing Sp00ky, and a schema of the application, in a database.

use std::time::Duration;

use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::error::{Error, Result, is_consequence};
use crate::schema::{self, Capture, SchemaOptions, TableInfo};
use crate::statements;

/// What [`Database::apply`] has installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The application's tables that are captured now.
    pub tables: Vec<String>,
    /// Those of them that were given a changefeed by this call.
    pub newly_captured: Vec<String>,
}

impl Database {
    /// Installs the system tables, functions, and the capture of every table of the application. Idempotent; run it
    /// again after the application has defined tables. Two requests.
    pub async fn apply(&self, options: &SchemaOptions) -> Result<Applied> {
        const ACTION: &str = "installing the schema";
        let tables = self.application_tables(options).await?;
        self.run_retrying(ACTION, schema::script(options, &tables), Variables::new()).await?;
        let newly_captured =
            tables.iter().filter(|table| !table.has_changefeed).map(|table| table.name.clone()).collect();
        Ok(Applied { tables: tables.into_iter().map(|table| table.name).collect(), newly_captured })
    }

    /// What [`Database::apply`] would run. One request.
    pub async fn apply_script(&self, options: &SchemaOptions) -> Result<String> {
        Ok(schema::script(options, &self.application_tables(options).await?))
    }

    /// Makes sure that these tables are captured, with a changefeed and our event, and defines those that do not exist, as
    /// SurrealDB itself does at their first record. Three requests, two if nothing is missing.
    ///
    /// Answers those that were not captured before: they must be read once the call is done. Tables whose rows the database
    /// computes are left as they are.
    pub async fn capture(&self, options: &SchemaOptions, tables: &[&str]) -> Result<Vec<String>> {
        const ACTION: &str = "capturing tables";
        let known = self.structure().await?.tables;
        let mut text = String::new();
        let mut fresh = Vec::new();
        for name in tables.iter().filter(|name| !options.names.is_system(name)) {
            let table = known.iter().find(|table| table.name == **name);
            // An application that defines its table anew takes our event away, also where it has a changefeed of its own.
            if table.is_some_and(|table| table.is_view || table.is_captured(Capture::Feed)) {
                continue;
            }
            if table.is_none() {
                text.push_str(&format!("DEFINE TABLE IF NOT EXISTS {};\n", crate::ident::escape(name)));
            }
            let missing = TableInfo::missing(name);
            text.push_str(&schema::capture(options, table.unwrap_or(&missing)));
            fresh.push((*name).to_owned());
        }
        if !fresh.is_empty() {
            self.run_retrying(ACTION, text, Variables::new()).await?;
        }
        Ok(fresh)
    }

    /// All tables of the database, system tables included, in the order of their names. One request.
    pub async fn tables(&self) -> Result<Vec<TableInfo>> {
        const ACTION: &str = "listing the tables";
        let info = self.run(ACTION, "INFO FOR DB STRUCTURE", Variables::new()).await?.take(0)?;
        sorted_tables(ACTION, info)
    }

    async fn application_tables(&self, options: &SchemaOptions) -> Result<Vec<TableInfo>> {
        let mut tables = self.tables().await?;
        tables.retain(|table| !options.names.is_system(&table.name));
        // A job table that is not there yet is about to be defined.
        let missing = options.job_tables.iter().filter(|name| !tables.iter().any(|table| table.name == **name));
        let missing: Vec<TableInfo> = missing.map(|name| TableInfo::missing(name)).collect();
        tables.extend(missing);
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tables)
    }

    /// Runs the text of a schema file: statements one after the other, each a transaction of its own unless the text
    /// says otherwise. One request.
    ///
    /// # Errors
    /// [`Error::Schema`] names the first statement that fails; those before it have taken effect. A text that does not
    /// parse is refused as a whole, with the place.
    pub async fn import(&self, text: &str) -> Result<()> {
        const ACTION: &str = "applying the schema file";
        if statements::split(text).is_empty() {
            return Ok(());
        }
        let mut results = self.send(ACTION, text.to_owned(), Variables::new()).await?;
        let mut errors: Vec<_> = results.take_errors().into_iter().collect();
        errors.sort_by_key(|(statement, _)| *statement);
        let cause = errors.iter().find(|(_, error)| !is_consequence(error)).or(errors.first());
        let Some((index, error)) = cause else { return Ok(()) };
        let statement = statements::split(text).get(*index).map_or("", |statement| *statement);
        let mut reason = error.message().to_owned();
        if reason.ends_with("already exists") {
            reason.push_str("; with OVERWRITE or IF NOT EXISTS the file can be applied again");
        }
        Err(Error::Schema { number: index + 1, statement: statement.to_owned(), reason })
    }
}

/// The tables in the answer of `INFO FOR DB STRUCTURE`, in the order of their names.
pub(crate) fn sorted_tables(action: &'static str, info: sdk::Value) -> Result<Vec<TableInfo>> {
    let mut tables: Vec<TableInfo> = tables_of(action, info)?.into_iter().map(|(table, _)| table).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

/// The tables in the answer of `INFO FOR DB STRUCTURE`, with the retention of their changefeeds.
pub(crate) fn tables_of(action: &'static str, info: sdk::Value) -> Result<Vec<(TableInfo, Option<Duration>)>> {
    let unexpected = || Error::answer(action, "INFO FOR DB does not describe tables as expected");
    let sdk::Value::Object(mut info) = info else { return Err(unexpected()) };
    let Some(sdk::Value::Array(tables)) = info.remove("tables") else { return Err(unexpected()) };
    let mut found = Vec::with_capacity(tables.len());
    for table in tables {
        let sdk::Value::Object(mut table) = table else { return Err(unexpected()) };
        let name = match table.remove("name") {
            Some(sdk::Value::String(name)) => name,
            Some(sdk::Value::Table(name)) => name.into_string(),
            _ => return Err(unexpected()),
        };
        let id = match table.remove("id") {
            Some(sdk::Value::Number(sdk::Number::Int(id))) => u64::try_from(id).map_err(|_| unexpected())?,
            _ => return Err(unexpected()),
        };
        let retention = match table.remove("changefeed") {
            Some(sdk::Value::Object(mut changefeed)) => match changefeed.remove("expiry") {
                Some(sdk::Value::Duration(expiry)) => Some(expiry.into_inner()),
                _ => return Err(unexpected()),
            },
            _ => None,
        };
        let is_view = matches!(table.get("view"), Some(view) if !matches!(view, sdk::Value::None | sdk::Value::Null));
        found.push((TableInfo { name, id, has_changefeed: retention.is_some(), event: None, is_view }, retention));
    }
    Ok(found)
}
