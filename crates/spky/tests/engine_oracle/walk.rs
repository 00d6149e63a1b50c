//! Looking at every node of a query.

use crate::tree::{Expr, Field, Fields, Group, Part, Path, Select, Source, Start};

/// Which clause of its query a node stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Whole,
    Source,
    Projection,
    Condition,
    /// `ORDER BY`, `GROUP BY`, `SPLIT`, `OMIT`, `FETCH`, `LIMIT`, `START`.
    Clause,
}

#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    Select(&'a Select),
    Expr(&'a Expr),
    Path(&'a Path),
    Part(&'a Part),
}

/// Calls `see` with every node, and the clause of the innermost query that it stands in.
pub fn walk<'a>(select: &'a Select, see: &mut impl FnMut(Node<'a>, Place)) {
    walk_select(select, Place::Whole, see);
}

fn walk_select<'a>(select: &'a Select, place: Place, see: &mut impl FnMut(Node<'a>, Place)) {
    see(Node::Select(select), place);
    match &select.fields {
        Fields::Value(expr) => walk_expr(expr, Place::Projection, see),
        Fields::List(fields) => {
            for field in fields {
                if let Field::Single { expr, .. } = field {
                    walk_expr(expr, Place::Projection, see);
                }
            }
        }
    }
    for source in &select.from {
        match source {
            Source::Table(_) => {}
            Source::Expr(expr) => walk_expr(expr, Place::Source, see),
            Source::Select(inner) => walk_select(inner, Place::Source, see),
        }
    }
    if let Some(filter) = &select.filter {
        walk_expr(filter, Place::Condition, see);
    }
    let group = select.group.iter().flat_map(|Group(keys)| keys);
    let paths = select.omit.iter().chain(&select.split).chain(group).chain(&select.fetch);
    for path in paths.chain(select.order.iter().map(|key| &key.path)) {
        walk_path(path, Place::Clause, see);
    }
    for expr in select.limit.iter().chain(&select.start) {
        walk_expr(expr, Place::Clause, see);
    }
}

fn walk_expr<'a>(expr: &'a Expr, place: Place, see: &mut impl FnMut(Node<'a>, Place)) {
    see(Node::Expr(expr), place);
    match expr {
        Expr::Text(_) | Expr::Parameter(_) => {}
        Expr::Path(path) => walk_path(path, place, see),
        Expr::Prefix(_, inner) => walk_expr(inner, place, see),
        Expr::Binary(_, left, right) => {
            walk_expr(left, place, see);
            walk_expr(right, place, see);
        }
        Expr::Call(_, items) | Expr::List(items) => items.iter().for_each(|item| walk_expr(item, place, see)),
        Expr::Object(fields) => fields.iter().for_each(|(_, value)| walk_expr(value, place, see)),
        Expr::If(branches) => branches.iter().for_each(|branch| walk_expr(branch, place, see)),
        Expr::Select(select) => walk_select(select, place, see),
    }
}

fn walk_path<'a>(path: &'a Path, place: Place, see: &mut impl FnMut(Node<'a>, Place)) {
    see(Node::Path(path), place);
    if let Start::Expr(start) = &path.start {
        walk_expr(start, place, see);
    }
    for part in &path.parts {
        see(Node::Part(part), place);
        match part {
            Part::Filter(condition) => walk_expr(condition, place, see),
            Part::Step(step) => step.filter.iter().for_each(|filter| walk_expr(filter, place, see)),
            Part::Method(_, arguments) => arguments.iter().for_each(|argument| walk_expr(argument, place, see)),
            _ => {}
        }
    }
}
