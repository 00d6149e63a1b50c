//! How a condition finds candidates without trying everything.
//!
//! A view is a join of the rows with the bindings of its template. From the condition, routing picks the part by which
//! that join can be indexed from both sides: a changed row looks up the bindings it may belong to, and a new binding
//! looks up the rows it may contain. Candidates are then checked with the whole condition, so routing may answer too
//! much, and must never answer too little.

use std::ops::Bound;

use crate::dependent::live_set::LiveSets;
use crate::expr::{Expr, Operator};
use crate::plan::Slots;
use crate::store::arrangement::Bounds;
use crate::template::at;
use crate::template::keys::{Keys, Part, Prefix};
use crate::template::membership::set_of;
use crate::value::Value;

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

/// One way in which a part of the condition is indexed: by all that it names at once, so that neither side meets what
/// the other one does not concern.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Access {
    /// Columns that have to equal slots.
    pub(crate) equal: Vec<(u16, u16)>,
    pub(crate) member: Option<Member>,
    pub(crate) between: Option<Between>,
}

/// What a column and a slot have to have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Member {
    /// A hash of these parts of them.
    Hash { column: u16, of_row: Part, slot: u16, of_binding: Part },
    /// The value of the column has to be in the live set of the slot.
    Set { column: u16, slot: u16 },
}

/// A column that has to lie above one slot, below another one, or between two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Between {
    pub(crate) column: u16,
    pub(crate) above: Option<Edge>,
    pub(crate) below: Option<Edge>,
}

/// One end of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) slot: u16,
    pub(crate) is_included: bool,
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
        let has_slots = filter.is_some_and(Expr::has_slot) || !memberships.is_empty();
        if !has_slots {
            return Routing::Single;
        }
        let mut conjuncts = Vec::new();
        if let Some(filter) = filter {
            filter.conjuncts(&mut |conjunct| conjuncts.push(conjunct));
        }
        if let Some(access) = conjunction(&conjuncts, memberships) {
            return Routing::Indexed(vec![access]);
        }
        let mut accesses = Vec::new();
        match filter.is_some_and(|filter| disjunction(filter, &mut accesses)) {
            true => Routing::Indexed(accesses),
            false => Routing::Unindexed,
        }
    }
}

impl Access {
    /// The columns that it looks at.
    pub(crate) fn columns(&self) -> impl Iterator<Item = u16> {
        let of_member = self.member.map(|member| match member {
            Member::Hash { column, .. } | Member::Set { column, .. } => column,
        });
        let of_interval = self.between.map(|between| between.column);
        self.equal.iter().map(|(column, _)| *column).chain(of_member).chain(of_interval)
    }

    /// The slots that it looks at.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u16> {
        let of_member = self.member.map(|member| match member {
            Member::Hash { slot, .. } | Member::Set { slot, .. } => slot,
        });
        let ends = self.between.into_iter().flat_map(|between| [between.above, between.below]).flatten();
        self.equal.iter().map(|(_, slot)| *slot).chain(of_member).chain(ends.map(|end| end.slot))
    }

    /// The keys under which the rows of a binding are. `count` tells how many rows there are under a key, counted up to
    /// a number.
    pub(crate) fn sought_rows(&self, slots: &Slots, sets: &LiveSets, count: impl Fn(u64, usize) -> usize) -> Keys {
        let equal = self.equal.iter().map(|(_, slot)| value_of(slots, *slot));
        let Some(prefix) = Prefix::of(equal) else { return Keys::Wild };
        // Where there are fewer rows with the prefix than further keys to try, all of them are tried.
        let has_fewer = |keys: usize| prefix.all().is_some_and(|all| count(all, keys) < keys);
        let further = match self.member {
            None => None,
            Some(Member::Hash { slot, of_binding, .. }) => match of_binding.keys(value_of(slots, slot)) {
                Keys::These(keys) if has_fewer(keys.len()) => Some(Keys::Wild),
                keys => Some(keys),
            },
            Some(Member::Set { slot, .. }) => Some(match set_of(slots, slot).and_then(|set| sets.get(set)) {
                Some(set) if set.is_wild() || has_fewer(set.len()) => Keys::Wild,
                Some(set) => Keys::of_values(set.values()),
                None => Keys::none(),
            }),
        };
        prefix.sought(further)
    }

    /// The keys under which the rows of a binding are that have a further key.
    pub(crate) fn sought_rows_with(&self, further: u64, slots: &Slots) -> Keys {
        let equal = self.equal.iter().map(|(_, slot)| value_of(slots, *slot));
        Prefix::of(equal).map_or(Keys::Wild, |prefix| prefix.sought(Some(Keys::one(further))))
    }
}

impl Between {
    /// The values between which a column has to lie.
    pub(crate) fn bounds<'a>(&self, slots: &'a Slots) -> Bounds<'a> {
        let bound = |edge: Option<Edge>| match edge {
            None => Bound::Unbounded,
            Some(edge) if edge.is_included => Bound::Included(value_of(slots, edge.slot)),
            Some(edge) => Bound::Excluded(value_of(slots, edge.slot)),
        };
        Bounds { above: bound(self.above), below: bound(self.below) }
    }
}

/// The value of a slot; of one that could not be computed it is `NONE`.
pub(crate) fn value_of(slots: &Slots, slot: u16) -> &Value {
    at(&slots.0, slot).unwrap_or(&Value::None)
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
    let Comparison { column, operator, slot, .. } = comparison(conjunct)?;
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
    if let Some(access) = conjunction(&conjuncts, &[]) {
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

/// The access that the conjuncts offer: all equalities, one other thing that row and binding have in common, and one
/// interval.
fn conjunction(conjuncts: &[&Expr], memberships: &[Membership]) -> Option<Access> {
    let comparisons: Vec<Comparison> = conjuncts.iter().filter_map(|conjunct| comparison(conjunct)).collect();
    let mut equal: Vec<(u16, u16)> = comparisons
        .iter()
        .filter(|comparison| comparison.is_equality())
        .map(|found| (found.column, found.slot))
        .collect();
    equal.sort_unstable();
    equal.dedup_by_key(|(column, _)| *column);
    let set = memberships.iter().find(|membership| !membership.is_negated);
    let set = set.map(|membership| Member::Set { column: membership.column, slot: membership.slot });
    let member = set.or_else(|| comparisons.iter().find_map(Comparison::member));
    let between = between(&comparisons);
    let is_indexed = !equal.is_empty() || member.is_some() || between.is_some();
    is_indexed.then_some(Access { equal, member, between })
}

/// The interval that comparisons put around a column: around one with two ends, if there is any.
fn between(comparisons: &[Comparison]) -> Option<Between> {
    let mut intervals: Vec<Between> = Vec::new();
    for Comparison { column, operator, slot, .. } in comparisons {
        let edge = Some(Edge {
            slot: *slot,
            is_included: matches!(operator, Operator::GreaterOrEqual | Operator::LessOrEqual),
        });
        let (above, below) = match operator {
            Operator::Greater | Operator::GreaterOrEqual => (edge, None),
            Operator::Less | Operator::LessOrEqual => (None, edge),
            _ => continue,
        };
        match intervals.iter_mut().find(|interval| interval.column == *column) {
            Some(interval) => {
                interval.above = interval.above.or(above);
                interval.below = interval.below.or(below);
            }
            None => intervals.push(Between { column: *column, above, below }),
        }
    }
    let two_sided = intervals.iter().find(|interval| interval.above.is_some() && interval.below.is_some());
    two_sided.or(intervals.first()).copied()
}

/// A conjunct that compares a column with a slot.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    column: u16,
    /// The operator with the column on its left, unless it has no such form.
    operator: Operator,
    slot: u16,
    /// The slot is on the left.
    is_reversed: bool,
}

impl Comparison {
    fn is_equality(&self) -> bool {
        matches!(self.operator, Operator::Equal | Operator::Exact)
    }

    /// What row and binding have in common where the comparison holds.
    fn member(&self) -> Option<Member> {
        let (of_row, of_binding) = match (self.operator, self.is_reversed) {
            (Operator::Inside, _) => (Part::Whole, Part::Contained),
            (Operator::Contains, _) => (Part::Contained, Part::Whole),
            (Operator::AnyEqual, false) => (Part::ItemsOrSelf, Part::Whole),
            (Operator::AnyEqual, true) => (Part::Whole, Part::ItemsOrSelf),
            (Operator::AllEqual, false) => (Part::FirstOrSelf, Part::Whole),
            (Operator::AllEqual, true) => (Part::Whole, Part::FirstOrSelf),
            (Operator::ContainsAny | Operator::AnyInside, _) => (Part::Items, Part::Items),
            (Operator::ContainsAll, _) => (Part::Items, Part::First),
            (Operator::AllInside, _) => (Part::First, Part::Items),
            _ => return None,
        };
        Some(Member::Hash { column: self.column, of_row, slot: self.slot, of_binding })
    }
}

/// A comparison of a column with a slot, whichever way round it is written.
fn comparison(conjunct: &Expr) -> Option<Comparison> {
    let Expr::Binary(operator, left, right) = conjunct else {
        return None;
    };
    match (&**left, &**right, operator.mirrored()) {
        (Expr::Column(column), Expr::Slot(slot), _) => {
            Some(Comparison { column: *column, operator: *operator, slot: *slot, is_reversed: false })
        }
        (Expr::Slot(slot), Expr::Column(column), Some(mirrored)) => {
            Some(Comparison { column: *column, operator: mirrored, slot: *slot, is_reversed: false })
        }
        (Expr::Slot(slot), Expr::Column(column), None) => {
            Some(Comparison { column: *column, operator: *operator, slot: *slot, is_reversed: true })
        }
        _ => None,
    }
}

/// Whether a conjunct compares this column with this slot, and does nothing else.
pub(crate) fn is_comparison_of(conjunct: &Expr, column: u16, slot: u16) -> bool {
    comparison(conjunct).is_some_and(|comparison| comparison.column == column && comparison.slot == slot)
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
