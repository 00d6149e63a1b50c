//! What a query uses, in the words of the table of supported features; and what its answer leaves open.

use std::collections::BTreeSet;

use crate::compare::Sequence;
use crate::schema::{Nature, TABLES};
use crate::tree::{Expr, Field, Fields, Group, Part, Path, Select, Source, Start};
use crate::walk::{Node, Place, walk};

/// The names of all features of a query.
pub fn features(select: &Select) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(select, &mut |node, place| {
        let mut add = |feature: String| found.extend([feature]);
        match node {
            Node::Select(select) => of_select(select, place, &mut add),
            Node::Expr(expr) => of_expr(expr, place, &mut add),
            Node::Path(path) => of_path(path, place, &mut add),
            Node::Part(part) => of_part(part, place, &mut add),
        }
    });
    found
}

fn of_select(select: &Select, place: Place, add: &mut impl FnMut(String)) {
    match place {
        Place::Whole => {}
        _ if is_correlated(select) => add(format!("subquery: {}, correlated", name(place))),
        _ => add(format!("subquery: {}", name(place))),
    }
    for source in &select.from {
        add(match source {
            Source::Table(_) if select.from.len() > 1 => "source: several".to_owned(),
            Source::Table(table) => format!("source: {}", nature(table)),
            Source::Select(inner) if inner.only => "source: nested SELECT with ONLY".to_owned(),
            Source::Select(inner) if matches!(inner.fields, Fields::Value(_)) => {
                "source: nested SELECT VALUE".to_owned()
            }
            Source::Select(_) => "source: nested SELECT".to_owned(),
            Source::Expr(Expr::Text(text)) if text.contains("..") && text.contains('[') => {
                "source: range of records with numbers inside".to_owned()
            }
            Source::Expr(Expr::Text(text)) if text.contains("..") => "source: range of records".to_owned(),
            Source::Expr(Expr::Text(_)) => "source: record id".to_owned(),
            Source::Expr(Expr::Parameter(_)) => "source: parameter".to_owned(),
            Source::Expr(Expr::Path(Path { parts, .. })) if parts.iter().any(|part| matches!(part, Part::Step(_))) => {
                "source: path along edges".to_owned()
            }
            Source::Expr(Expr::Path(_)) => "source: path".to_owned(),
            Source::Expr(_) => "source: expression".to_owned(),
        });
    }
    let is_repeated = |source: &Source| {
        table_of(source)
            .is_some_and(|name| select.from.iter().filter(|other| table_of(other) == Some(name)).count() > 1)
    };
    if select.from.iter().any(is_repeated) {
        add("source: overlapping".to_owned());
    }
    let is_ordered = |source: &Source| matches!(source, Source::Select(select) if !select.order.is_empty());
    if select.from.len() > 1 && select.from.iter().any(is_ordered) {
        add("source: ordered, of several".to_owned());
    }
    let computed = |expr: &Expr| !matches!(expr, Expr::Path(_));
    match &select.fields {
        Fields::Value(_) => add("shape: VALUE".to_owned()),
        Fields::List(fields) => {
            for field in fields {
                add(match field {
                    Field::All => "shape: *".to_owned(),
                    Field::Single { expr, .. } if computed(expr) => "shape: computed field".to_owned(),
                    Field::Single { alias: Some(alias), .. } if alias.contains('.') => "shape: nested alias".to_owned(),
                    Field::Single { alias: Some(_), .. } => "shape: alias".to_owned(),
                    Field::Single { .. } => "shape: field".to_owned(),
                });
            }
        }
    }
    let present = [
        (!select.omit.is_empty(), "shape: OMIT"),
        (select.only, "source: ONLY"),
        (select.noindex, "WITH NOINDEX"),
        (select.filter.is_some(), "WHERE"),
        (!select.split.is_empty(), "shape: SPLIT"),
        (select.group == Some(Group(Vec::new())), "group: ALL"),
        (select.group.as_ref().is_some_and(|Group(keys)| keys.len() == 1), "group: by one"),
        (select.group.as_ref().is_some_and(|Group(keys)| keys.len() > 1), "group: by several"),
        (select.order.len() == 1, "order: one key"),
        (select.order.len() > 1, "order: several keys"),
        (select.order.iter().any(|key| key.descending), "order: DESC"),
        (select.order.iter().any(|key| key.collate), "order: COLLATE"),
        (select.order.iter().any(|key| key.numeric), "order: NUMERIC"),
        (select.order.iter().any(|key| key.path.parts.len() > 1), "order: by a path"),
        (select.limit.is_some(), "window: LIMIT"),
        (select.start.is_some(), "window: START"),
        (!select.fetch.is_empty(), "FETCH"),
    ];
    present.into_iter().filter(|(is_present, _)| *is_present).for_each(|(_, feature)| add(feature.to_owned()));
}

/// The name of the table that a source reads, if it is one.
fn table_of(source: &Source) -> Option<&str> {
    match source {
        Source::Table(name) => Some(name),
        Source::Expr(Expr::Text(text)) => text.split_once(':').map(|(table, _)| table),
        Source::Expr(_) => None,
        Source::Select(select) => match select.from.as_slice() {
            [source] => table_of(source),
            _ => None,
        },
    }
}

fn of_expr(expr: &Expr, place: Place, add: &mut impl FnMut(String)) {
    match expr {
        Expr::Parameter(_) => add("parameter".to_owned()),
        Expr::Prefix(operator, _) if operator.starts_with('<') => add("cast".to_owned()),
        Expr::Prefix(operator, _) => add(format!("operator: {operator}")),
        Expr::Binary(operator, left, _) => {
            add(format!("operator: {operator}"));
            if matches!(*operator, "AND" | "OR") && is_test_of_type(left) {
                add(format!("guarded by {operator}"));
            }
        }
        Expr::Call(function, _) => {
            let family = function.rsplit_once("::").map_or(*function, |(family, _)| family);
            let family = family.split("::").next().unwrap_or(family);
            add(format!("function: {family} in {}", name(place)));
        }
        Expr::List(_) | Expr::Object(_) => add("value built from fields".to_owned()),
        Expr::If(_) => add("IF".to_owned()),
        Expr::Text(text) if text.starts_with('|') => add("closure".to_owned()),
        Expr::Text(text) if text.starts_with('/') => add("regex".to_owned()),
        Expr::Text(_) | Expr::Path(_) | Expr::Select(_) => {}
    }
}

/// Whether an expression tells if what stands behind it can be computed.
fn is_test_of_type(expr: &Expr) -> bool {
    match expr {
        Expr::Call(name, _) => name.starts_with("type::is_"),
        Expr::Prefix("!", inner) => is_test_of_type(inner),
        _ => false,
    }
}

fn of_path(path: &Path, place: Place, add: &mut impl FnMut(String)) {
    let names: Vec<&str> =
        path.parts.iter().map_while(|part| if let Part::Field(name) = part { Some(&**name) } else { None }).collect();
    let links = ["author", "org", "parent", "thread", "owner", "lead", "in", "out", "by", "watchers", "friends"];
    let followed = names.iter().rev().skip(1).filter(|name| links.contains(name)).count();
    match (&path.start, followed) {
        (Start::Name("$parent"), _) => add("$parent".to_owned()),
        (Start::Expr(_), _) => add("path into a computed value".to_owned()),
        (_, 0) if names.len() > 1 => add(format!("nested field in {}", name(place))),
        (_, 0) => {}
        (_, 1) => add(format!("link in {}", name(place))),
        (_, _) => add(format!("link of a link in {}", name(place))),
    }
}

fn of_part(part: &Part, place: Place, add: &mut impl FnMut(String)) {
    match part {
        Part::Field(_) => {}
        Part::Index(_) | Part::Last => add("index".to_owned()),
        Part::All => add(".*".to_owned()),
        Part::Filter(_) => add(format!("[WHERE] in {}", name(place))),
        Part::Step(step) => {
            let filtered = if step.filter.is_some() { " with WHERE" } else { "" };
            add(format!("graph {}{filtered} in {}", step.arrow, name(place)));
        }
        Part::Method(..) => add("method".to_owned()),
        Part::Pick(_) => add("destructuring".to_owned()),
        Part::Flatten => add("...".to_owned()),
        Part::Optional => add(".?".to_owned()),
    }
}

fn name(place: Place) -> &'static str {
    match place {
        Place::Whole => "the query",
        Place::Source => "FROM",
        Place::Projection => "projection",
        Place::Condition => "WHERE",
        Place::Clause => "other clauses",
    }
}

fn nature(table: &str) -> &'static str {
    match TABLES.iter().find(|known| known.name == table).map(|known| known.nature) {
        Some(Nature::Plain) => "table",
        Some(Nature::Indexed) => "table with indexes",
        Some(Nature::Edge(..)) => "edges",
        Some(Nature::Typed) => "table with types",
        None => "unknown table",
    }
}

/// Whether a query says `$parent` for the row around it.
fn is_correlated(select: &Select) -> bool {
    let mut is_correlated = false;
    walk(select, &mut |node, _| {
        is_correlated |= matches!(node, Node::Path(Path { start: Start::Name("$parent"), .. }));
    });
    is_correlated
}

/// Whether rows come in an order of their own: from a table on which indexes are defined.
fn reads_by_index(select: &Select) -> bool {
    let is_indexed = |table: &str| TABLES.iter().any(|known| known.name == table && known.nature == Nature::Indexed);
    select.from.iter().any(|source| matches!(source, Source::Table(table) if is_indexed(table)))
}

/// Whether the order of the answer is defined.
pub fn sequence(select: &Select) -> Sequence {
    let mut sequence = Sequence::Exact;
    walk(select, &mut |node, _| {
        if let Node::Select(select) = node
            && reads_by_index(select)
        {
            sequence = Sequence::Any;
        }
    });
    sequence
}

/// Whether only the order is left open: no query takes the first rows of an order that an index decides.
pub fn is_determined(select: &Select) -> bool {
    let mut is_determined = true;
    let id = Path::field("id");
    let is_total = |select: &Select| select.order.last().is_some_and(|key| key.path == id);
    walk(select, &mut |node, _| match node {
        Node::Select(select) if reads_by_index(select) && !is_total(select) => {
            is_determined &= select.limit.is_none() && select.start.is_none() && !select.only;
        }
        Node::Path(Path { start: Start::Expr(start), parts }) => {
            let takes_one = parts.iter().any(|part| matches!(part, Part::Index(_) | Part::Last));
            if let (Expr::Select(select), true) = (&**start, takes_one) {
                is_determined &= !reads_by_index(select) || is_total(select);
            }
        }
        _ => {}
    });
    is_determined
}
