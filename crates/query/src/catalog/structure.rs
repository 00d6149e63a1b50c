//! Reading what `INFO FOR .. STRUCTURE` answers.

use circuit::{Object, Value};

use super::{Catalog, FieldFacts, Permission, Select, Table};

/// An answer that is none of `INFO FOR .. STRUCTURE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not as INFO FOR .. STRUCTURE answers it")]
pub struct CatalogError {
    what: String,
}

impl Catalog {
    /// Reads the answer of `INFO FOR DB STRUCTURE`: the names and permissions of all tables. Their fields are to follow,
    /// with [`Catalog::read_table`]: a table of which they are not told is not read. O(answer).
    ///
    /// # Errors
    ///
    /// If the answer has no list `tables` of objects with `name` and `permissions.select`, which is `true`, `false` or the
    /// text of an expression.
    pub fn read_database(structure: &Value) -> Result<Catalog, CatalogError> {
        let mut catalog = Catalog::default();
        for table in list(structure, "tables", "the database")? {
            let name = text(table, "name").ok_or_else(|| error("a table without a name"))?;
            let facts = Table { select: Select::from(&select(table, name)?), ..Table::default() };
            catalog.tables.insert(name.to_owned(), facts);
        }
        Ok(catalog)
    }

    /// Reads the answer of `INFO FOR TABLE .. STRUCTURE` for a table that is known: the permissions of its fields, and
    /// whether there is an index. O(answer).
    ///
    /// # Errors
    ///
    /// If the table is not known, or the answer has no list `fields` of objects with `name` and `permissions.select`.
    pub fn read_table(&mut self, name: &str, structure: &Value) -> Result<(), CatalogError> {
        let mut fields = Vec::new();
        for field in list(structure, "fields", name)? {
            let path = text(field, "name").ok_or_else(|| error(format!("a field without a name in {name}")))?;
            let is_computed = field.get("computed").is_some_and(|computed| *computed != Value::None);
            fields.push(FieldFacts { name: path.to_owned(), select: select(field, path)?, is_computed });
        }
        let Some(table) = self.tables.get_mut(name) else {
            return Err(error(format!("{name}, which is no table of the database,")));
        };
        table.tell_fields(&fields);
        table.is_indexed = list(structure, "indexes", name).is_ok_and(|indexes| !indexes.is_empty());
        Ok(())
    }
}

fn error(what: impl Into<String>) -> CatalogError {
    CatalogError { what: what.into() }
}

fn list<'a>(structure: &'a Value, name: &str, of: &str) -> Result<Vec<&'a Object>, CatalogError> {
    let Value::Object(structure) = structure else { return Err(error(format!("the structure of {of}"))) };
    let Some(Value::Array(items)) = structure.get(name) else {
        return Err(error(format!("the structure of {of}, without {name},")));
    };
    let object = |item: &'a Value| match item {
        Value::Object(object) => Ok(&**object),
        _ => Err(error(format!("one of the {name} of {of}"))),
    };
    items.iter().map(object).collect()
}

fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    match object.get(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn select(object: &Object, of: &str) -> Result<Permission, CatalogError> {
    let Some(Value::Object(permissions)) = object.get("permissions") else {
        return Err(error(format!("{of}, without permissions,")));
    };
    match permissions.get("select") {
        Some(Value::Bool(true)) => Ok(Permission::Full),
        Some(Value::Bool(false)) => Ok(Permission::None),
        Some(Value::String(text)) => Ok(Permission::Where(text.to_string())),
        _ => Err(error(format!("the select permission of {of}"))),
    }
}
