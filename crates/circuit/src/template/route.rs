//! How a condition finds candidates without trying everything.
//!
//! A view is a join of the rows with the bindings of its template. From the condition, routing picks the part by which
//! that join can be indexed from both sides: a changed row looks up the bindings it may belong to, and a new binding
//! looks up the rows it may contain. Candidates are then checked with the whole condition, so routing may answer too
//! much, and must never answer too little.

use smallvec::SmallVec;

use crate::expr::{Expr, Operator};
use crate::template::at;
use crate::value::{RoutingHash, Value, routing_hash};

/// The hashes under which one side of a join is filed.
#[derive(Debug, PartialEq)]
pub(crate) enum Keys {
    These(SmallVec<[u64; 2]>),
    /// No key can tell: candidates are all on the other side.
    Wild,
}

/// An odd constant that spreads the bits of a composite key: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// How the rows and the bindings of a template find each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Routing {
    /// The condition has no slots: there is one binding, and it is always the candidate.
    Single,
    /// At least one of these leads from a row to every binding that it satisfies.
    Indexed(Vec<Access>),
    /// No part of the condition can be indexed: every binding is a candidate.
    Unindexed,
}

/// One way in which a part of the condition is indexed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    /// Row and binding have to share a hash.
    Hash { row: RowKey, binding: BindingKey },
    /// `column <operator> slot`, one of the four order comparisons.
    Order { column: u16, slot: u16, operator: Operator },
    /// The value of the column has to be in the live set of the slot.
    Set { column: u16, slot: u16 },
}

/// What of a row is hashed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowKey {
    /// All of these columns together.
    Columns(Vec<u16>),
    /// Each item that `CONTAINS` would find in this column.
    Contained(u16),
    /// Each item of the list in this column.
    Items(u16),
    /// Each item of the list in this column, or the value itself where it is no list.
    ItemsOrSelf(u16),
}

/// What of a binding is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BindingKey {
    /// All of these slots together, in the order of the columns.
    Slots(Vec<u16>),
    /// Each item that `CONTAINS` would find in this slot.
    Contained(u16),
    /// Each item of the list in this slot.
    Items(u16),
    /// The first item of the list in this slot: a row must have all items, so it must have this one.
    FirstItem(u16),
}

/// A conjunct that tests membership in a live set: `column IN slot`, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) column: u16,
    pub(crate) slot: u16,
    pub(crate) is_negated: bool,
}

impl Routing {
    /// The routing of a condition: of `filter`, and of memberships in live sets.
    pub(crate) fn of(filter: Option<&Expr>, memberships: &[Membership]) -> Routing {
        let mut accesses = Vec::new();
        let is_indexed = filter.is_some_and(|filter| filter.has_slot() && disjunction(filter, &mut accesses));
        let is_selective = matches!(accesses.as_slice(), [Access::Hash { row: RowKey::Columns(_), .. }]);
        if let (false, Some(set)) = (is_selective, memberships.iter().find(|membership| !membership.is_negated)) {
            return Routing::Indexed(vec![Access::Set { column: set.column, slot: set.slot }]);
        }
        match (is_indexed, filter.is_some_and(Expr::has_slot) || !memberships.is_empty()) {
            (true, _) => Routing::Indexed(accesses),
            (false, true) => Routing::Unindexed,
            (false, false) => Routing::Single,
        }
    }
}

/// Takes the conjuncts that test membership of a column in one of the given slots out of a condition.
pub(crate) fn take_memberships(filter: Option<&Expr>, live: &[u16]) -> (Option<Expr>, Vec<Membership>) {
    let Some(filter) = filter else { return (None, Vec::new()) };
    let mut memberships = Vec::new();
    let mut rest: Option<Expr> = None;
    filter.conjuncts(&mut |conjunct| match membership(conjunct, live) {
        Some(membership) => memberships.push(membership),
        None => {
            let conjunct = conjunct.clone();
            rest = Some(match rest.take() {
                Some(before) => Expr::binary(Operator::And, before, conjunct),
                None => conjunct,
            });
        }
    });
    (rest, memberships)
}

/// The slots whose every use in a condition is a conjunct that tests membership of a column in them.
pub(crate) fn membership_slots(filter: &Expr) -> Vec<u16> {
    let mut candidates = Vec::new();
    let mut others = Vec::new();
    filter.conjuncts(&mut |conjunct| match membership_of(conjunct) {
        Some(membership) => candidates.push(membership.slot),
        None => slots_of(conjunct, &mut others),
    });
    candidates.retain(|slot| !others.contains(slot));
    candidates.sort_unstable();
    candidates.dedup();
    candidates
}

fn membership(conjunct: &Expr, live: &[u16]) -> Option<Membership> {
    membership_of(conjunct).filter(|membership| live.contains(&membership.slot))
}

fn membership_of(conjunct: &Expr) -> Option<Membership> {
    let (column, operator, slot) = comparison(conjunct)?;
    match operator {
        Operator::Inside => Some(Membership { column, slot, is_negated: false }),
        Operator::NotInside => Some(Membership { column, slot, is_negated: true }),
        _ => None,
    }
}

/// Collects an access for every alternative; false if one of them has none.
fn disjunction(condition: &Expr, accesses: &mut Vec<Access>) -> bool {
    if let Expr::Binary(Operator::Or, left, right) = condition {
        return disjunction(left, accesses) && disjunction(right, accesses);
    }
    let mut conjuncts = Vec::new();
    condition.conjuncts(&mut |conjunct| conjuncts.push(conjunct));
    if let Some(access) = conjunction(&conjuncts) {
        accesses.push(access);
        return true;
    }
    // No single conjunct will do, but one that is itself a disjunction of indexable parts will.
    conjuncts.iter().any(|conjunct| {
        let mut nested = Vec::new();
        let usable = matches!(conjunct, Expr::Binary(Operator::Or, ..)) && disjunction(conjunct, &mut nested);
        if usable {
            accesses.append(&mut nested);
        }
        usable
    })
}

/// The most selective access that one of the conjuncts offers: equality first, then membership, then order.
fn conjunction(conjuncts: &[&Expr]) -> Option<Access> {
    let comparisons: Vec<(u16, Operator, u16)> = conjuncts.iter().filter_map(|conjunct| comparison(conjunct)).collect();
    let mut equalities: Vec<(u16, u16)> = comparisons
        .iter()
        .filter(|(_, operator, _)| matches!(operator, Operator::Equal | Operator::Exact))
        .map(|(column, _, slot)| (*column, *slot))
        .collect();
    equalities.sort_unstable();
    equalities.dedup_by_key(|(column, _)| *column);
    if !equalities.is_empty() {
        let (columns, slots) = equalities.into_iter().unzip();
        return Some(Access::Hash { row: RowKey::Columns(columns), binding: BindingKey::Slots(slots) });
    }
    let membership = |(column, operator, slot): &(u16, Operator, u16)| {
        let (row, binding) = match operator {
            Operator::Inside => (RowKey::Columns(vec![*column]), BindingKey::Contained(*slot)),
            Operator::Contains => (RowKey::Contained(*column), BindingKey::Slots(vec![*slot])),
            Operator::AnyEqual => (RowKey::ItemsOrSelf(*column), BindingKey::Slots(vec![*slot])),
            Operator::ContainsAny | Operator::AnyInside => (RowKey::Items(*column), BindingKey::Items(*slot)),
            Operator::ContainsAll => (RowKey::Items(*column), BindingKey::FirstItem(*slot)),
            _ => return None,
        };
        Some(Access::Hash { row, binding })
    };
    let order = |(column, operator, slot): &(u16, Operator, u16)| match operator {
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            Some(Access::Order { column: *column, slot: *slot, operator: *operator })
        }
        _ => None,
    };
    comparisons.iter().find_map(membership).or_else(|| comparisons.iter().find_map(order))
}

/// A conjunct of the form `column <operator> slot`, whichever way round it is written.
fn comparison(conjunct: &Expr) -> Option<(u16, Operator, u16)> {
    let Expr::Binary(operator, left, right) = conjunct else {
        return None;
    };
    match (&**left, &**right) {
        (Expr::Column(column), Expr::Slot(slot)) => Some((*column, *operator, *slot)),
        (Expr::Slot(slot), Expr::Column(column)) => Some((*column, operator.mirrored()?, *slot)),
        _ => None,
    }
}

/// Appends the slots that an expression reads.
pub(crate) fn slots_of(expr: &Expr, out: &mut Vec<u16>) {
    expr.any(&mut |expr| {
        if let Expr::Slot(slot) = expr {
            out.push(*slot);
        }
        false
    });
}

impl RowKey {
    /// The columns that the key is made of.
    pub(crate) fn columns(&self) -> &[u16] {
        match self {
            RowKey::Columns(columns) => columns,
            RowKey::Contained(column) | RowKey::Items(column) | RowKey::ItemsOrSelf(column) => {
                std::slice::from_ref(column)
            }
        }
    }

    /// The keys of a row. `values` are those of [`RowKey::columns`], in their order.
    pub(crate) fn of_row<'a>(&self, mut values: impl Iterator<Item = &'a Value>) -> Keys {
        match self {
            RowKey::Columns(_) => composite(values),
            RowKey::Contained(_) => values.next().map_or(Keys::none(), contained),
            RowKey::ItemsOrSelf(_) => values.next().map_or(Keys::none(), |value| match value.as_list() {
                Some(items) => each(items.iter()),
                None => each([value].into_iter()),
            }),
            RowKey::Items(_) => values.next().map_or(Keys::none(), |value| match value {
                // The parts of a text and of a geometry are not enumerable.
                Value::String(_) | Value::Geometry(_) => Keys::Wild,
                other => each(other.as_list().unwrap_or_default().iter()),
            }),
        }
    }
}

impl BindingKey {
    fn slots(&self) -> &[u16] {
        match self {
            BindingKey::Slots(slots) => slots,
            BindingKey::Contained(slot) | BindingKey::Items(slot) | BindingKey::FirstItem(slot) => {
                std::slice::from_ref(slot)
            }
        }
    }

    /// The keys of a binding: none if a slot could not be computed, as no row satisfies it then.
    pub(crate) fn of_slots(&self, slots: &[Option<Value>]) -> Keys {
        if self.slots().iter().any(|number| at(slots, *number).is_none()) {
            return Keys::none();
        }
        let slot = |number: &u16| at(slots, *number).unwrap_or(&Value::None);
        match self {
            BindingKey::Slots(numbers) => composite(numbers.iter().map(slot)),
            BindingKey::Contained(number) => contained(slot(number)),
            BindingKey::Items(number) => match slot(number) {
                // What a text or a geometry contains is not enumerable.
                Value::String(_) | Value::Geometry(_) => Keys::Wild,
                other => each(other.as_list().unwrap_or_default().iter()),
            },
            BindingKey::FirstItem(number) => match slot(number) {
                Value::String(_) => Keys::none(),
                other => match other.as_list() {
                    // Everything contains all items of an empty list.
                    Some([]) => Keys::Wild,
                    Some([first, ..]) => each([first].into_iter()),
                    None => Keys::none(),
                },
            },
        }
    }
}

impl Keys {
    /// The key of a single value.
    pub(crate) fn of_value(value: &Value) -> Keys {
        composite(std::iter::once(value))
    }

    pub(crate) fn none() -> Keys {
        Keys::These(SmallVec::new())
    }
}

fn composite<'a>(values: impl Iterator<Item = &'a Value>) -> Keys {
    let mut combined: u64 = 0;
    for value in values {
        match routing_hash(value) {
            RoutingHash::Key(hash) => combined = (combined.rotate_left(23) ^ hash).wrapping_mul(MIX),
            RoutingHash::Wild => return Keys::Wild,
        }
    }
    Keys::These(SmallVec::from_slice(&[combined]))
}

fn each<'a>(values: impl Iterator<Item = &'a Value>) -> Keys {
    let mut keys = SmallVec::new();
    for value in values {
        match composite(std::iter::once(value)) {
            Keys::These(key) => keys.extend(key),
            Keys::Wild => return Keys::Wild,
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Keys::These(keys)
}

/// The keys of everything that `CONTAINS` finds in a value.
fn contained(value: &Value) -> Keys {
    match value {
        Value::Array(items) | Value::Set(items) => each(items.iter()),
        Value::Object(object) => {
            let names: Vec<Value> = object.iter().map(|(name, _)| Value::String(name.clone())).collect();
            each(names.iter())
        }
        Value::String(_) | Value::Uuid(_) | Value::Range(_) | Value::Geometry(_) => Keys::Wild,
        _ => Keys::none(),
    }
}
