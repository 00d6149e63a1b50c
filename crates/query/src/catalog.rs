//! What the database has defined of tables and fields, as far as it changes what a record user sees.
//!
//! # What SurrealDB does (3.3.5, measured as a record user over HTTP, and read in `exec/permission.rs`,
//! `exec/operators/scan/{pipeline,common}.rs`, `exec/operators/fetch.rs`)
//!
//! *Where.* The select permission of a table is asked for each record that is read, whatever reads it: a scan, `FROM` of a
//! record id or of a range, a link on a path, `.*` and `.{ .. }` of a link, `FETCH`, both the edge and the record at its
//! end of a graph step, every subquery, `$auth.name`, `record::exists()`.
//!
//! *What is seen.* A record that may not be read is not there: no row, `NONE` behind a link and for `FETCH`, left out by a
//! graph step (as is, for a record user, a record that does not exist). A link itself is a value of the row, and stays.
//! `NONE`, or no `PERMISSIONS` at all, hides the whole table, and then even `count() .. GROUP ALL` answers no row, other
//! than over a table of whose records none happens to be readable. `FROM` a table that does not exist is an error, a link
//! to one is `NONE`. `GROUP ALL` over no rows answers no row, where the service's own user would get one;
//! but where an index happens to be able to count what a condition leaves, it answers a count of zero.
//!
//! *When.* The permission of the table sees the record as it is stored. Then fields are taken out whose own select
//! permission does not hold, which all look at the whole record, and `$value` is the field's value; through arrays each
//! item is asked. Then come `WHERE`, `SPLIT`, `GROUP`, `ORDER`, `START` and `LIMIT`: nothing is ordered by, counted or
//! compared that may not be read. What leads along edges is not their fields `in` and `out`, so those do not matter to a
//! graph step.
//!
//! *Inside of a permission* everything may be read: links, `$auth.org`, graph steps and subqueries ask for no permissions.
//! It holds if its value is truthy. `$this` is the record, also in subqueries as `$parent`; `$auth` is a record id. An
//! error in it is the error of the whole query. It also sees parameters of the query, `DEFINE PARAM`, and as `$parent`
//! the row of a query around that happens to read the table.
//!
//! *An older executor* runs `record::exists()` and what closures read. In it, a graph step inside of a permission does not
//! come to a record that is gone, other than in the newer one. `record::is_edge()` needs more rights than a record user has.
//!
//! # What becomes of it
//!
//! [`compile_as`](crate::compile_as) makes the permission of a table a condition of every plan node that reads it, with
//! what depends on the user in slots, so that users share a template; whatever follows links or edges reads through a
//! [`circuit::Policy`]. The differences that remain are on the side of showing less: where a permission fails with an
//! error, the record is not seen, and SurrealDB answers nothing at all.

mod structure;

use std::collections::BTreeMap;

use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::{Expr, Idiom};

use crate::syntax;

pub use structure::CatalogError;

/// The select permissions of all tables of a database. A table that is not in it is not read.
///
/// Built with [`Catalog::define`], or from what `INFO FOR .. STRUCTURE` answers, with [`Catalog::read_database`] and
/// [`Catalog::read_table`]. Two that are equal compile every query to equal plans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    tables: BTreeMap<String, Table>,
}

/// A permission as SurrealDB writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// What a table without `PERMISSIONS` has, for record users.
    #[default]
    None,
    /// What a field without `PERMISSIONS` has.
    Full,
    /// The expression behind `WHERE`.
    Where(String),
}

/// What is defined of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFacts {
    /// The path of the field as SurrealQL, such as ``address.city`` or ``tags.*``.
    pub name: String,
    pub select: Permission,
    /// Whether the value is `COMPUTED` when it is read. What a changefeed says of such a field is old, so its table is
    /// not read.
    pub is_computed: bool,
}

/// A table, with its permissions ready to be compiled.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) select: Select,
    /// Restricted fields; others are of no interest.
    pub(crate) fields: Vec<Field>,
    /// Whether anything has been told of the fields.
    pub(crate) knows_fields: bool,
    /// The name of a computed field, if there is one.
    pub(crate) computed: Option<String>,
    /// Whether there is any index.
    pub(crate) is_indexed: bool,
}

/// A permission, parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Select {
    #[default]
    None,
    Full,
    Where {
        text: String,
        /// The message of the parser, if it does not understand the text.
        condition: Result<Box<Expr>, String>,
    },
}

/// A field with a permission of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The names that lead to the field; none if there is anything else on the way.
    pub(crate) path: Option<Vec<String>>,
    pub(crate) select: Select,
}

impl Catalog {
    /// Adds a table, or replaces it.
    ///
    /// A text that can't be parsed is no error here: what needs it is refused.
    pub fn define(&mut self, name: impl Into<String>, select: &Permission, fields: &[FieldFacts]) {
        let mut table = Table { select: Select::from(select), ..Table::default() };
        table.tell_fields(fields);
        self.tables.insert(name.into(), table);
    }

    /// The names of all tables, ascending.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }
}

impl Table {
    fn tell_fields(&mut self, fields: &[FieldFacts]) {
        let restricted = fields.iter().filter(|field| field.select != Permission::Full);
        let field = |field: &FieldFacts| Field {
            name: field.name.clone(),
            path: names_of(&field.name),
            select: Select::from(&field.select),
        };
        self.fields = restricted.map(field).collect();
        self.knows_fields = true;
        self.computed = fields.iter().find(|field| field.is_computed).map(|field| field.name.clone());
    }
}

impl From<&Permission> for Select {
    fn from(permission: &Permission) -> Self {
        match permission {
            Permission::None => Select::None,
            Permission::Full => Select::Full,
            Permission::Where(text) => {
                let condition = syntax::expression(text).map(Box::new).map_err(|error| error.to_string());
                Select::Where { text: text.clone(), condition }
            }
        }
    }
}

/// The names that a path is made of, if it is made of nothing else.
fn names_of(text: &str) -> Option<Vec<String>> {
    let Ok(Expr::Idiom(Idiom(parts))) = syntax::expression(text) else { return None };
    let name = |part: &Part| match part {
        Part::Field(name) => Some(name.as_str().to_owned()),
        _ => None,
    };
    parts.iter().map(name).collect()
}
