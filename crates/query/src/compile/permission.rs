//! What a record user may see: the select permissions of tables, as conditions of the plans that read them, and as
//! policies of the expressions that read other records. The facts behind this are in [`catalog`](crate::catalog).

use std::cell::Cell;
use std::sync::Arc;

use circuit::{Expr, Output, Part, Path, Policy, Rule, Shape, Source, Value, Veil};

use super::builder::Builder;
use super::scope::{Context, Lowered, Names, Standing, is_correlated, root_of};
use super::source::Rows;
use crate::catalog::{Catalog, Field, Select, Table};
use crate::error::ErrorKind;
use crate::refusal::{Anchor, Clause, Refusal};
use crate::scalar;

/// A record user, and what is known of the tables.
#[derive(Debug)]
pub(super) struct Access<'a> {
    catalog: &'a Catalog,
    user: Value,
    /// Whether a permission is being compiled, inside of which everything may be read.
    is_inside: Cell<bool>,
}

impl<'a> Access<'a> {
    pub(super) fn new(catalog: &'a Catalog, user: Value) -> Self {
        Access { catalog, user, is_inside: Cell::new(false) }
    }

    /// What `compile` makes of an expression inside of a permission.
    fn inside<T>(&self, compile: impl FnOnce() -> T) -> T {
        let around = self.is_inside.replace(true);
        let compiled = compile();
        self.is_inside.set(around);
        compiled
    }
}

impl<'a> Context<'a> {
    /// Who asks, where permissions are asked.
    fn asking(&self) -> Option<&Access<'a>> {
        self.access.as_ref().filter(|access| !access.is_inside.get())
    }

    /// Whether permissions are asked.
    pub(super) fn asks(&self) -> bool {
        self.asking().is_some()
    }

    /// The value of a parameter; `None` if it has none.
    pub(super) fn value_of_parameter(&self, name: &str) -> Result<Option<Value>, Refusal> {
        let given = || self.parameters.get(name).cloned();
        let Some(access) = &self.access else { return Ok(given()) };
        match name {
            "auth" => Ok(Some(access.user.clone())),
            // What these are is known of the caller alone.
            "access" | "token" => Ok(given()),
            // SurrealDB shows a permission what happens to be around it.
            _ if access.is_inside.get() => {
                let reason = "is not supported: a permission may ask for $auth, $access and $token";
                Err(Refusal::new(format!("${name}"), reason, Anchor::Statement))
            }
            _ => Ok(given()),
        }
    }

    /// A plan over those records of a table that may be read.
    pub(super) fn readable(&self, name: &str, standing: Standing) -> Result<Readable, Refusal> {
        let builder = Builder::new(standing, Source::Table(name.into()), Vec::new());
        let Some(access) = self.asking() else { return Ok(Readable::Open(builder)) };
        let table = known(access.catalog, name)?;
        let mut builder = match &table.select {
            Select::None => return Ok(Readable::Denied(nothing(standing))),
            Select::Full => builder,
            Select::Where { text, condition } => {
                let of = || format!("table {name}");
                let condition = condition.as_ref().map_err(|message| unreadable(of(), text, message))?;
                let lower = || self.lower(condition, Standing::Root);
                let lowered = access.inside(|| self.among_rows(Rows::Objects, lower));
                let mut builder = builder;
                let filter = lowered.and_then(|lowered| builder.condition(&lowered));
                builder.require(filter.map_err(|refusal| refused(of(), text, refusal))?);
                builder
            }
        };
        let mut veils = Vec::with_capacity(table.fields.len());
        for field in &table.fields {
            let veil = |names: &mut Names| self.veil(access, name, field, names);
            let lowered = access.inside(|| self.lowered(Standing::Root, veil))?;
            let path = field.path.iter().flatten().map(|name| Arc::from(name.as_str()));
            veils.push(Veil::new(path, builder.policy_part(lowered.expr.clone(), &lowered)?));
        }
        Ok(if veils.is_empty() { Readable::Open(builder) } else { Readable::Veiled(builder, veils) })
    }

    /// An expression that reads through the policy of all tables whatever it reads of other records. `rows` are those that
    /// its paths start from.
    pub(super) fn guarded(&self, expr: Expr, rows: Rows, names: &mut Names) -> Result<Expr, Refusal> {
        let Some(access) = self.asking() else { return Ok(expr) };
        let reads =
            |expr: &Expr| expr.reads_records_by_itself() || (rows != Rows::Objects && matches!(expr, Expr::Path(_)));
        if !expr.any(&mut |expr| reads(expr)) {
            return Ok(expr);
        }
        let policy = self.policy(access, names)?;
        if expr.any(&mut |expr| reads_in_closure(expr)) && follows_edges(&policy) {
            let what = "a closure that looks up fields, where a permission follows edges,";
            return Err(Refusal::new(what, "is not supported for record users", Anchor::Statement));
        }
        Ok(with_policy(expr, &Arc::new(policy), &reads))
    }

    /// The policy of all tables, around an expression without a value; nothing where no permissions are asked.
    pub(super) fn policy_alone(&self) -> Result<Option<Lowered>, Refusal> {
        let Some(access) = self.asking() else { return Ok(None) };
        let policy = |names: &mut Names| {
            let policy = self.policy(access, names)?;
            Ok(Expr::Guarded(Arc::new(policy), Box::new(Expr::constant(Value::None))))
        };
        access.inside(|| self.lowered(Standing::Root, policy)).map(Some)
    }

    /// Whether no record of a table may be read, whatever there is.
    pub(super) fn denies(&self, table: &str) -> bool {
        let table = self.asking().and_then(|access| access.catalog.table(table));
        table.is_some_and(|table| matches!(table.select, Select::None))
    }

    /// Whether it is up to the database's indexes how a count of no rows is shown.
    pub(super) fn is_counted_by_index(&self, table: &str) -> bool {
        let table = self.asking().and_then(|access| access.catalog.table(table));
        table.is_some_and(|table| table.is_indexed)
    }

    /// Refuses records whose fields would have to be taken out where records are read as they are stored.
    pub(super) fn refuse_veils(&self, tables: Option<&[&str]>, anchor: &Anchor) -> Result<(), Refusal> {
        let Some(access) = self.asking() else { return Ok(()) };
        let is_meant = |name: &str| tables.is_none_or(|tables| tables.contains(&name));
        match access.catalog.all().find(|(name, table)| is_meant(name) && !table.fields.is_empty()) {
            None => Ok(()),
            Some((name, _)) => {
                let what = format!("a list behind FROM, where fields of the table {name} have permissions,");
                Err(Refusal::new(what, "is not supported: select the records by WHERE id IN", anchor.clone()))
            }
        }
    }

    fn policy(&self, access: &Access, names: &mut Names) -> Result<Policy, Refusal> {
        let mut rules = Vec::new();
        for (name, table) in access.catalog.all() {
            if matches!(table.select, Select::None) {
                continue;
            }
            known(access.catalog, name)?;
            let condition = match &table.select {
                Select::None | Select::Full => None,
                Select::Where { text, condition } => {
                    let of = || format!("table {name}");
                    let condition = condition.as_ref().map_err(|message| unreadable(of(), text, message))?;
                    let rule = inside(access, names, |names| scalar::over_record(condition, names));
                    Some(rule.map_err(|refusal| refused(of(), text, refusal))?)
                }
            };
            let mut veils = Vec::with_capacity(table.fields.len());
            for field in &table.fields {
                let path = field.path.iter().flatten().map(|name| Arc::from(name.as_str()));
                veils.push(Veil::new(path, self.veil(access, name, field, names)?));
            }
            rules.push((Arc::from(name), Rule::new(condition, veils)));
        }
        Ok(Policy::new(rules))
    }

    /// When a field stays in a record.
    fn veil(&self, access: &Access, table: &str, field: &Field, names: &mut Names) -> Result<Expr, Refusal> {
        let of = || format!("field {} of table {table}", field.name);
        let path = field.path.as_deref().unwrap_or_default();
        let text = match &field.select {
            Select::Where { text, .. } => text,
            _ => "false",
        };
        let refuse = |reason: &str| Err(unreadable(of(), text, reason));
        if path.is_empty() || path == ["id"] {
            return refuse("it is supported for names other than id, and for names inside of these");
        }
        match &field.select {
            Select::None => Ok(Expr::constant(false)),
            Select::Full => Ok(Expr::constant(true)),
            Select::Where { condition, .. } => {
                let condition = condition.as_ref().map_err(|message| unreadable(of(), text, message))?;
                let unless = inside(access, names, |names| scalar::over_field(condition, names));
                let unless = unless.map_err(|refusal| refused(of(), text, refusal))?;
                if path.len() > 1 && asks_for_value(&unless, 0) {
                    return refuse("$value is not supported of a field inside of another one");
                }
                Ok(unless)
            }
        }
    }
}

/// A plan over what may be read of a table.
#[derive(Debug)]
pub(super) enum Readable {
    /// No record may be read, whatever there is.
    Denied(Builder),
    /// Records are as they are stored.
    Open(Builder),
    /// Fields are still to be taken out of the records.
    Veiled(Builder, Vec<Veil>),
}

impl Readable {
    pub(super) fn builder(&mut self) -> &mut Builder {
        match self {
            Readable::Denied(builder) | Readable::Open(builder) | Readable::Veiled(builder, _) => builder,
        }
    }

    /// Whether an expression may have another value for what the user sees than for the records as they are here.
    pub(super) fn changes(&self, lowered: &Lowered) -> bool {
        let Readable::Veiled(_, veils) = self else { return false };
        let is_veiled = |path: &Path| veils.iter().any(|veil| root_of(path).is_none_or(|name| veil.hides(name)));
        lowered.expr.any(&mut |expr| match expr {
            Expr::Row => true,
            Expr::Path(path) => is_veiled(path),
            Expr::Subquery(number) => lowered.subquery(*number).is_none_or(is_correlated),
            _ => false,
        })
    }

    /// The plan, whose rows are what the user sees.
    pub(super) fn finish(self) -> Builder {
        match self {
            Readable::Denied(builder) | Readable::Open(builder) => builder,
            Readable::Veiled(builder, veils) => {
                let standing = builder.standing;
                let input = builder.finish(Output { veils, ..Output::default() });
                Builder::new(standing, Source::Derived(Shape::Rows), vec![input])
            }
        }
    }
}

/// A plan without rows.
fn nothing(standing: Standing) -> Builder {
    Builder::new(standing, Source::Derived(Shape::Rows), Vec::new())
}

/// A table of which everything is known that there is to know.
fn known<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Table, Refusal> {
    let Some(table) = catalog.table(name) else {
        let kind = ErrorKind::UnknownTable { name: name.to_owned() };
        return Err(Refusal { kind, anchor: Anchor::Clause(Clause::From), select: None });
    };
    if !table.knows_fields {
        let what = format!("the table {name}, of whose fields nothing is known,");
        return Err(Refusal::new(what, "is not read", Anchor::Clause(Clause::From)));
    }
    match &table.computed {
        None => Ok(table),
        Some(field) => {
            let what = format!("the table {name} with its computed field {field}");
            Err(Refusal::new(what, "is not supported for record users", Anchor::Clause(Clause::From)))
        }
    }
}

/// Lowers a permission for expressions over records. A subquery in it must be the same for all records.
fn inside(
    access: &Access,
    names: &mut Names,
    lower: impl FnOnce(&mut Names) -> Result<Expr, Refusal>,
) -> Result<Expr, Refusal> {
    let standing = std::mem::replace(&mut names.standing, Standing::Root);
    let known = names.subqueries.len();
    let lowered = access.inside(|| names.among_records(lower));
    names.standing = standing;
    if names.subqueries[known..].iter().any(is_correlated) {
        let what = "a subquery with $parent in the permission of a table that links may lead to";
        return Err(Refusal::new(what, "is not supported", Anchor::Statement));
    }
    lowered
}

/// The expression with a guard around whatever in it reads other records.
fn with_policy(expr: Expr, policy: &Arc<Policy>, reads: &impl Fn(&Expr) -> bool) -> Expr {
    if reads(&expr) {
        return Expr::Guarded(policy.clone(), Box::new(expr));
    }
    let guarded =
        expr.map_children(&mut |child, _| Ok::<_, std::convert::Infallible>(with_policy(child, policy, reads)));
    let Ok(guarded) = guarded;
    guarded
}

/// Whether an expression looks up a field inside of a closure.
fn reads_in_closure(expr: &Expr) -> bool {
    matches!(expr, Expr::Walk(_, parts) if parts.iter().any(|part| matches!(part, Part::ItemField(_))))
}

/// Whether a permission has a graph step, of which SurrealDB's executors do not think the same.
fn follows_edges(policy: &Policy) -> bool {
    let is_step =
        |expr: &Expr| matches!(expr, Expr::Walk(_, parts) if parts.iter().any(|part| matches!(part, Part::Graph(..))));
    let guarded = Expr::Guarded(Arc::new(policy.clone()), Box::new(Expr::constant(Value::None)));
    guarded.any(&mut |expr| is_step(expr))
}

/// Whether an expression looks at the value that is bound last around it.
fn asks_for_value(expr: &Expr, depth: u16) -> bool {
    if matches!(expr, Expr::Local(number) if *number == depth) {
        return true;
    }
    let mut asks = false;
    expr.children(&mut |child, bound| asks = asks || asks_for_value(child, depth + bound));
    asks
}

fn refused(of: String, text: &str, refusal: Refusal) -> Refusal {
    match refusal.kind {
        kind @ ErrorKind::Permission { .. } => Refusal { kind, ..refusal },
        kind => unreadable(of, text, &kind.to_string()),
    }
}

fn unreadable(of: String, text: &str, reason: &str) -> Refusal {
    let kind = ErrorKind::Permission { of, text: text.to_owned(), reason: reason.to_owned() };
    Refusal { kind, anchor: Anchor::Clause(Clause::From), select: None }
}
