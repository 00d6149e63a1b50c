//! What one may read of other records: the select permissions of tables and fields.
//!
//! SurrealDB asks them wherever a record is read: behind a link, at the end of a step along edges, by `FETCH`. So does
//! [`Expr::Guarded`]: all that is inside of it reads through a [`Guard`], to which a record that may not be seen is not
//! there. The permissions themselves read everything.

use std::sync::Arc;

use super::evaluate::Environment;
use super::{Expr, Failure, Locals, Part, Scope};
use crate::expr::library::Library;
use crate::expr::reader::{Direction, Reader};
use crate::value::{Key, Object, RecordId, Value};

/// The rules of tables, in the order of their names. Of a table without a rule nothing is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    rules: Box<[(Arc<str>, Rule)]>,
}

/// What is seen of the records of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Which records are seen: over the record, which it binds. Without this all are.
    condition: Option<Expr>,
    /// What is taken out of them.
    veils: Box<[Veil]>,
    /// Whether the condition looks at nothing but fields and edges of the record, so that a link stands for it: then
    /// only a change of those is a change of the answer.
    asks_for_fields: bool,
}

/// A field that is taken out of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Veil {
    /// The names on the way to the field, through the items of arrays.
    path: Box<[Arc<str>]>,
    /// When the field stays: over the record and the value of the field, which it binds.
    unless: Expr,
}

impl Policy {
    pub fn new(rules: impl IntoIterator<Item = (Arc<str>, Rule)>) -> Policy {
        let mut rules: Vec<(Arc<str>, Rule)> = rules.into_iter().collect();
        rules.sort_by(|(a, _), (b, _)| a.cmp(b));
        rules.dedup_by(|(a, _), (b, _)| a == b);
        Policy { rules: rules.into() }
    }

    pub fn rules(&self) -> impl Iterator<Item = (&Arc<str>, &Rule)> {
        self.rules.iter().map(|(table, rule)| (table, rule))
    }

    /// Whether all that there is of these tables is seen.
    pub fn is_open(&self) -> bool {
        self.rules.iter().all(|(_, rule)| *rule == Rule::default())
    }

    /// The rule of a table. O(log tables).
    fn rule(&self, table: &str) -> Option<&Rule> {
        let place = self.rules.binary_search_by(|(name, _)| (**name).cmp(table)).ok()?;
        Some(&self.rules[place].1)
    }

    /// Calls `visit` with each expression and the number of locals that are bound around it.
    pub(crate) fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr, u16)) {
        for (_, rule) in &self.rules {
            if let Some(condition) = &rule.condition {
                visit(condition, 1);
            }
            rule.veils.iter().for_each(|veil| visit(&veil.unless, 2));
        }
    }

    /// The policy with each expression replaced by what `map` makes of it.
    pub fn map<E>(&self, map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>) -> Result<Policy, E> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for (table, rule) in &self.rules {
            let condition = rule.condition.clone().map(|condition| map(condition, 1)).transpose()?;
            let veils = rule.veils.iter().map(|veil| veil.clone().map(map)).collect::<Result<Vec<_>, E>>()?;
            rules.push((table.clone(), Rule::new(condition, veils)));
        }
        Ok(Policy { rules: rules.into() })
    }
}

impl Rule {
    pub fn new(condition: Option<Expr>, veils: impl IntoIterator<Item = Veil>) -> Rule {
        let asks_for_fields = condition.as_ref().is_some_and(|condition| asks_for_fields(condition, 0));
        Rule { condition, veils: veils.into_iter().collect(), asks_for_fields }
    }

    pub fn has_veils(&self) -> bool {
        !self.veils.is_empty()
    }
}

impl Veil {
    pub fn new(path: impl IntoIterator<Item = Arc<str>>, unless: Expr) -> Veil {
        Veil { path: path.into_iter().collect(), unless }
    }

    pub fn unless(&self) -> &Expr {
        &self.unless
    }

    /// The veil with its expression replaced by what `map` makes of it.
    pub fn map<E>(self, map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>) -> Result<Veil, E> {
        Ok(Veil { unless: map(self.unless, 2)?, ..self })
    }

    /// Whether the field is, or is inside of, the one of this name.
    pub fn hides(&self, name: &str) -> bool {
        self.path.first().is_some_and(|first| **first == *name)
    }
}

/// Whether an expression takes of the record that is bound at this depth nothing but fields and edges.
fn asks_for_fields(expr: &Expr, depth: u16) -> bool {
    let is_record = |expr: &Expr| matches!(expr, Expr::Local(number) if *number == depth);
    if is_record(expr) {
        return false;
    }
    let skips_start = match expr {
        Expr::Walk(start, parts) => is_record(start) && matches!(parts.first(), Some(Part::Field(_) | Part::Graph(..))),
        _ => false,
    };
    let mut asks = true;
    let mut is_start = true;
    expr.children(&mut |child, bound| {
        let is_skipped = std::mem::take(&mut is_start) && skips_start;
        asks = asks && (is_skipped || asks_for_fields(child, depth + bound));
    });
    asks
}

/// Reads for somebody who may see what a policy says, and nothing else.
pub(crate) struct Guard<'g> {
    policy: &'g Policy,
    /// What the policy knows: slots and the answers of subqueries.
    scope: Scope<'g>,
    reader: &'g mut dyn Reader,
    library: &'g dyn Library,
}

impl<'g> Guard<'g> {
    pub(crate) fn new(
        policy: &'g Policy,
        scope: &Scope<'g>,
        reader: &'g mut dyn Reader,
        library: &'g dyn Library,
    ) -> Self {
        Guard { policy, scope: of_policy(scope), reader, library }
    }

    /// The rule of a record, if that may be seen. SurrealDB answers an error where a permission can't be evaluated; here
    /// it is not granted.
    fn seen(&mut self, id: &Arc<RecordId>) -> Option<&'g Rule> {
        let rule = self.policy.rule(&id.table)?;
        let Some(condition) = &rule.condition else { return Some(rule) };
        // The key of such a record has fields of its own, which a link would show in place of those of the record.
        let record = match &id.key {
            Key::Object(_) => Value::from(self.reader.record(id)?),
            _ if rule.asks_for_fields => Value::RecordId(id.clone()),
            _ => Value::from(self.reader.record(id)?),
        };
        let local = self.scope.bind(&record);
        let holds = condition.test(&self.scope.within(&local), self.reader, self.library);
        holds.unwrap_or(false).then_some(rule)
    }

    fn unveiled(&mut self, record: Object, rule: &Rule) -> Object {
        unveiled(record, &rule.veils, &self.scope, self.reader, self.library)
    }
}

impl Reader for Guard<'_> {
    fn record(&mut self, id: &Arc<RecordId>) -> Option<Object> {
        let rule = self.seen(id)?;
        let record = self.reader.record(id)?;
        Some(self.unveiled(record, rule))
    }

    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value {
        let Some(rule) = self.seen(id) else { return Value::None };
        if !rule.veils.iter().any(|veil| veil.hides(field)) {
            return self.reader.field_of(id, field);
        }
        let record = self.reader.record(id).map(|record| self.unveiled(record, rule));
        record.and_then(|record| record.get(field).cloned()).unwrap_or_default()
    }

    /// Edges lead where they lead; what is at their ends is asked for by [`Reader::is_found`].
    fn edges(&mut self, id: &Arc<RecordId>, direction: Direction, table: Option<&str>) -> Vec<Arc<RecordId>> {
        self.reader.edges(id, direction, table)
    }

    fn end_of(&mut self, edge: &Arc<RecordId>, end: &str) -> Value {
        self.reader.end_of(edge, end)
    }

    fn is_found(&mut self, id: &Arc<RecordId>) -> bool {
        self.seen(id).is_some() && self.reader.field_of(id, "id") != Value::None
    }
}

/// The record without what veils hide. They all look at the record as it was. O(veils), and O(fields) for each that hides
/// something.
pub(crate) fn unveiled(
    record: Object,
    veils: &[Veil],
    scope: &Scope,
    reader: &mut dyn Reader,
    library: &dyn Library,
) -> Object {
    let hidden: Vec<&Veil> = {
        let whole = Value::from(record.clone());
        let scope = of_policy(scope);
        let mut hides = |veil: &&Veil| {
            let [name] = &*veil.path else {
                return !stays(veil, [whole.clone(), Value::None], &scope, reader, library);
            };
            let Some(value) = record.get(name) else { return false };
            !stays(veil, [whole.clone(), value.clone()], &scope, reader, library)
        };
        veils.iter().filter(|veil| hides(veil)).collect()
    };
    hidden.into_iter().fold(record, |record, veil| without(&record, &veil.path))
}

fn stays(veil: &Veil, bound: [Value; 2], scope: &Scope, reader: &mut dyn Reader, library: &dyn Library) -> bool {
    let local = scope.bind_all(&bound);
    veil.unless.test(&scope.within(&local), reader, library).unwrap_or(false)
}

fn of_policy<'a>(scope: &Scope<'a>) -> Scope<'a> {
    Scope { slots: scope.slots, subqueries: scope.subqueries, locals: Locals::default(), ..Scope::default() }
}

/// An object without the field at the end of a path, in each item where there is an array.
fn without(object: &Object, path: &[Arc<str>]) -> Object {
    let Some((name, rest)) = path.split_first() else { return object.clone() };
    let fields = object.iter().filter_map(|(other, value)| match (other == name, rest) {
        (false, _) => Some((other.clone(), value.clone())),
        (true, []) => None,
        (true, _) => Some((other.clone(), value_without(value, rest))),
    });
    fields.collect()
}

fn value_without(value: &Value, path: &[Arc<str>]) -> Value {
    match value {
        Value::Object(object) => Value::from(without(object, path)),
        Value::Array(items) => items.iter().map(|item| value_without(item, path)).collect(),
        other => other.clone(),
    }
}

/// The value of an expression as somebody sees it who is under a policy.
pub(super) fn guarded(
    policy: &Policy,
    inner: &Expr,
    scope: &Scope,
    environment: &mut Environment,
) -> Result<Value, Failure> {
    let mut guard = Guard::new(policy, scope, environment.reader, environment.library);
    inner.evaluate(scope, &mut guard, environment.library).map(|value| value.into_owned())
}
