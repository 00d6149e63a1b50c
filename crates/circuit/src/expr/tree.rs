//! Expressions as trees: one way to visit what an expression is made of, and one to rebuild it.

use std::ops::Bound;
use std::sync::Arc;

use super::{Closure, Expr, GraphStep, Part, Pick};

impl Expr {
    /// Calls `visit` with each expression directly inside of this one, and the number of locals that are bound around
    /// it.
    pub fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr, u16)) {
        match self {
            Expr::Row
            | Expr::Column(_)
            | Expr::Slot(_)
            | Expr::Subquery(_)
            | Expr::Local(_)
            | Expr::Constant(_)
            | Expr::Path(_) => {}
            Expr::Walk(start, parts) => {
                visit(start, 0);
                parts.iter().for_each(|part| part.children(0, visit));
            }
            Expr::Not(inner) | Expr::RecordId(_, inner) | Expr::Otherwise(inner, _) => visit(inner, 0),
            Expr::Binary(_, left, right) => {
                visit(left, 0);
                visit(right, 0);
            }
            Expr::Call(_, items) | Expr::Array(items) | Expr::Set(items) => {
                items.iter().for_each(|item| visit(item, 0));
            }
            Expr::Object(fields) => fields.iter().for_each(|(_, value)| visit(value, 0)),
            Expr::Range(start, end) => {
                for bound in [start, end] {
                    if let Bound::Included(inner) | Bound::Excluded(inner) = bound {
                        visit(inner, 0);
                    }
                }
            }
            Expr::If(branches, otherwise) => {
                for (condition, value) in branches {
                    visit(condition, 0);
                    visit(value, 0);
                }
                visit(otherwise, 0);
            }
            Expr::Apply(_, arguments, closure) => {
                arguments.iter().for_each(|argument| visit(argument, 0));
                visit(&closure.body, closure.arity());
            }
            Expr::Guarded(policy, inner) => {
                policy.children(visit);
                visit(inner, 0);
            }
        }
    }

    /// The same expression with each expression directly inside of it replaced by what `map` makes of it. `map` is also
    /// told the number of locals that are bound around the expression.
    pub fn map_children<E>(self, map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>) -> Result<Expr, E> {
        let boxed = |inner: Box<Expr>, map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>| Ok(Box::new(map(*inner, 0)?));
        let list = |items: Box<[Expr]>, map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>| {
            items.into_iter().map(|item| map(item, 0)).collect::<Result<Box<[Expr]>, E>>()
        };
        Ok(match self {
            leaf @ (Expr::Row
            | Expr::Column(_)
            | Expr::Slot(_)
            | Expr::Subquery(_)
            | Expr::Local(_)
            | Expr::Constant(_)
            | Expr::Path(_)) => leaf,
            Expr::Walk(start, parts) => {
                let start = boxed(start, map)?;
                Expr::Walk(start, map_parts(parts, 0, map)?)
            }
            Expr::Not(inner) => Expr::Not(boxed(inner, map)?),
            Expr::RecordId(table, key) => Expr::RecordId(table, boxed(key, map)?),
            Expr::Otherwise(inner, constant) => Expr::Otherwise(boxed(inner, map)?, constant),
            Expr::Binary(operator, left, right) => {
                let left = boxed(left, map)?;
                Expr::Binary(operator, left, boxed(right, map)?)
            }
            Expr::Call(function, arguments) => Expr::Call(function, list(arguments, map)?),
            Expr::Array(items) => Expr::Array(list(items, map)?),
            Expr::Set(items) => Expr::Set(list(items, map)?),
            Expr::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| Ok((name, map(value, 0)?)));
                Expr::Object(fields.collect::<Result<_, E>>()?)
            }
            Expr::Range(start, end) => {
                let start = map_bound(start, map)?;
                Expr::Range(start, map_bound(end, map)?)
            }
            Expr::If(branches, otherwise) => {
                let branches = branches.into_iter().map(|(condition, value)| Ok((map(condition, 0)?, map(value, 0)?)));
                let branches = branches.collect::<Result<_, E>>()?;
                Expr::If(branches, boxed(otherwise, map)?)
            }
            Expr::Apply(application, arguments, closure) => {
                let arguments = list(arguments, map)?;
                let arity = closure.arity();
                let body = map(closure.body, arity)?;
                Expr::Apply(application, arguments, Box::new(Closure { body, ..*closure }))
            }
            Expr::Guarded(policy, inner) => {
                let policy = policy.map(map)?;
                Expr::Guarded(Arc::new(policy), boxed(inner, map)?)
            }
        })
    }

    /// Whether `found` holds for the expression or for any inside of it.
    pub fn any(&self, found: &mut dyn FnMut(&Expr) -> bool) -> bool {
        if found(self) {
            return true;
        }
        let mut is_found = false;
        self.children(&mut |child, _| is_found = is_found || child.any(found));
        is_found
    }

    /// Whether the value follows from the row and the slots alone: no other record and no subquery is read. Of a
    /// derived row, which may be a link itself, this says nothing.
    pub fn is_local(&self) -> bool {
        !self.any(&mut |expr| matches!(expr, Expr::Subquery(_)) || expr.reads_records_by_itself())
    }

    /// Whether evaluating the expression may read records or edges, apart from the expressions inside of it.
    pub fn reads_records_by_itself(&self) -> bool {
        match self {
            Expr::Path(path) => path.may_follow_links(),
            Expr::Walk(_, parts) => parts.iter().any(Part::may_read_records),
            Expr::Guarded(..) => true,
            _ => false,
        }
    }

    /// Whether the value depends on the slots.
    pub fn has_slot(&self) -> bool {
        self.any(&mut |expr| matches!(expr, Expr::Slot(_)))
    }

    /// Whether the value depends on the row, by itself or through the columns.
    pub fn needs_row(&self) -> bool {
        self.any(&mut |expr| matches!(expr, Expr::Row | Expr::Path(_) | Expr::Column(_)))
    }

    /// Whether the value depends on a subquery.
    pub fn has_subquery(&self) -> bool {
        self.any(&mut |expr| matches!(expr, Expr::Subquery(_)))
    }

    /// Whether all locals in the expression are bound inside of it, so that it means the same outside of what surrounds
    /// it.
    pub fn is_closed(&self) -> bool {
        self.is_closed_within(0)
    }

    fn is_closed_within(&self, bound: u16) -> bool {
        if let Expr::Local(number) = self {
            return *number < bound;
        }
        let mut is_closed = true;
        self.children(&mut |child, more| is_closed = is_closed && child.is_closed_within(bound + more));
        is_closed
    }
}

impl Part {
    fn children<'a>(&'a self, bound: u16, visit: &mut dyn FnMut(&'a Expr, u16)) {
        match self {
            Part::Field(_)
            | Part::ItemField(_)
            | Part::All
            | Part::Flatten
            | Part::First
            | Part::Last
            | Part::Optional => {}
            Part::Index(index) => visit(index, bound),
            Part::Where(inner) | Part::Then(inner) => visit(inner, bound + 1),
            Part::Destructure(picks) => picks.iter().for_each(|pick| pick.children(bound, visit)),
            Part::Graph(steps, _) => steps.iter().for_each(|step| step.children(bound, visit)),
        }
    }

    fn may_read_records(&self) -> bool {
        matches!(self, Part::Field(_) | Part::ItemField(_) | Part::All | Part::Destructure(_) | Part::Graph(..))
    }
}

impl GraphStep {
    fn children<'a>(&'a self, bound: u16, visit: &mut dyn FnMut(&'a Expr, u16)) {
        for over_record in [&self.condition, &self.value].into_iter().flatten() {
            visit(over_record, bound + 1);
        }
        self.order.iter().for_each(|(key, _)| visit(key, bound + 1));
        for count in [&self.start, &self.limit].into_iter().flatten() {
            visit(count, bound);
        }
    }
}

impl Pick {
    fn children<'a>(&'a self, bound: u16, visit: &mut dyn FnMut(&'a Expr, u16)) {
        match self {
            Pick::Field(_) | Pick::All(_) => {}
            Pick::Path(_, start, parts) => {
                visit(start, bound + 1);
                parts.iter().for_each(|part| part.children(bound + 1, visit));
            }
            Pick::Nested(_, picks) => picks.iter().for_each(|pick| pick.children(bound, visit)),
        }
    }
}

fn map_parts<E>(
    parts: Box<[Part]>,
    bound: u16,
    map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>,
) -> Result<Box<[Part]>, E> {
    let part = |part: Part| {
        Ok(match part {
            leaf @ (Part::Field(_)
            | Part::ItemField(_)
            | Part::All
            | Part::Flatten
            | Part::First
            | Part::Last
            | Part::Optional) => leaf,
            Part::Index(index) => Part::Index(map(index, bound)?),
            Part::Where(condition) => Part::Where(map(condition, bound + 1)?),
            Part::Destructure(picks) => Part::Destructure(map_picks(picks, bound, map)?),
            Part::Then(then) => Part::Then(map(then, bound + 1)?),
            Part::Graph(steps, is_only) => {
                let steps = steps.into_iter().map(|step| map_step(step, bound, map));
                Part::Graph(steps.collect::<Result<_, E>>()?, is_only)
            }
        })
    };
    parts.into_iter().map(part).collect()
}

fn map_step<E>(step: GraphStep, bound: u16, map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>) -> Result<GraphStep, E> {
    let condition = step.condition.map(|condition| map(condition, bound + 1)).transpose()?;
    let order = step.order.into_iter().map(|(key, descending)| Ok((map(key, bound + 1)?, descending)));
    let order = order.collect::<Result<_, E>>()?;
    let start = step.start.map(|start| map(start, bound)).transpose()?;
    let limit = step.limit.map(|limit| map(limit, bound)).transpose()?;
    let value = step.value.map(|value| map(value, bound + 1)).transpose()?;
    Ok(GraphStep { directions: step.directions, tables: step.tables, condition, order, start, limit, value })
}

fn map_picks<E>(
    picks: Box<[Pick]>,
    bound: u16,
    map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>,
) -> Result<Box<[Pick]>, E> {
    let pick = |pick: Pick| {
        Ok(match pick {
            leaf @ (Pick::Field(_) | Pick::All(_)) => leaf,
            Pick::Path(name, start, parts) => {
                let start = map(start, bound + 1)?;
                Pick::Path(name, start, map_parts(parts, bound + 1, map)?)
            }
            Pick::Nested(name, picks) => Pick::Nested(name, map_picks(picks, bound, map)?),
        })
    };
    picks.into_iter().map(pick).collect()
}

fn map_bound<E>(
    bound: Bound<Box<Expr>>,
    map: &mut dyn FnMut(Expr, u16) -> Result<Expr, E>,
) -> Result<Bound<Box<Expr>>, E> {
    Ok(match bound {
        Bound::Included(inner) => Bound::Included(Box::new(map(*inner, 0)?)),
        Bound::Excluded(inner) => Bound::Excluded(Box::new(map(*inner, 0)?)),
        Bound::Unbounded => Bound::Unbounded,
    })
}
