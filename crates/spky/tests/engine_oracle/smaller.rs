//! Simpler queries in place of a query: each with one thing less.

use crate::data::{replaced_each, without_each};
use crate::features::is_determined;
use crate::tree::{Expr, Field, Fields, Group, Key, Part, Path, Select, Source, Start, Step};
use crate::walk::{Node, Place, walk};

/// All queries that are one step simpler, and whose answer is as well defined; the shortest first.
pub fn smaller(select: &Select) -> Vec<Select> {
    let text = |select: &Select| {
        let text = select.text();
        text.surql.len() + text.params.len()
    };
    let length = text(select);
    let mut found: Vec<(usize, Select)> = Vec::new();
    let mut inner = Vec::new();
    walk(select, &mut |node, place| {
        if let (Node::Select(select), false) = (node, place == Place::Whole) {
            inner.push(select.clone());
        }
    });
    for candidate in inner.into_iter().chain(of_select(select)) {
        let shorter = text(&candidate);
        if shorter < length && is_determined(&candidate) && !found.iter().any(|(_, known)| *known == candidate) {
            found.push((shorter, candidate));
        }
    }
    found.sort_by_key(|(length, _)| *length);
    found.into_iter().map(|(_, select)| select).collect()
}

fn of_select(select: &Select) -> Vec<Select> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Select)| {
        let mut changed = select.clone();
        change(&mut changed);
        if changed != *select {
            found.push(changed);
        }
    };
    with(&|select| select.filter = None);
    with(&|select| select.group = None);
    with(&|select| select.limit = None);
    with(&|select| select.start = None);
    with(&|select| select.only = false);
    with(&|select| select.noindex = false);
    with(&|select| select.split.clear());
    with(&|select| select.order.clear());
    with(&|select| select.fetch.clear());
    with(&|select| select.omit.clear());
    with(&|select| select.fields = Fields::List(vec![Field::All]));
    with(&|select| {
        // A grouped query may not show all fields.
        select.group = None;
        select.fields = Fields::List(vec![Field::All]);
    });
    for paths in fewer_paths(&select.omit) {
        with(&|select| select.omit = paths.clone());
    }
    for paths in fewer_paths(&select.split) {
        with(&|select| select.split = paths.clone());
    }
    for paths in fewer_paths(&select.fetch) {
        with(&|select| select.fetch = paths.clone());
    }
    if let Some(Group(keys)) = &select.group {
        for keys in fewer_paths(keys) {
            with(&|select| select.group = Some(Group(keys.clone())));
        }
    }
    for keys in without_each(&select.order).into_iter().chain(replaced_each(&select.order, simpler_keys)) {
        with(&|select| select.order = keys.clone());
    }
    if select.from.len() > 1 {
        for from in without_each(&select.from) {
            with(&|select| select.from = from.clone());
        }
    }
    for from in replaced_each(&select.from, of_source) {
        with(&|select| select.from = from.clone());
    }
    for filter in select.filter.iter().flat_map(of_expr) {
        with(&|select| select.filter = Some(filter.clone()));
    }
    for limit in select.limit.iter().flat_map(of_expr) {
        with(&|select| select.limit = Some(limit.clone()));
    }
    for start in select.start.iter().flat_map(of_expr) {
        with(&|select| select.start = Some(start.clone()));
    }
    for fields in of_fields(&select.fields) {
        with(&|select| select.fields = fields.clone());
    }
    found
}

fn fewer_paths(paths: &[Path]) -> Vec<Vec<Path>> {
    let mut found = without_each(paths);
    found.retain(|paths| !paths.is_empty());
    found.extend(replaced_each(paths, of_path));
    found
}

fn simpler_keys(key: &Key) -> Vec<Key> {
    let mut found: Vec<Key> = of_path(&key.path).into_iter().map(|path| Key { path, ..key.clone() }).collect();
    found.extend([
        Key { descending: false, ..key.clone() },
        Key { collate: false, ..key.clone() },
        Key { numeric: false, ..key.clone() },
    ]);
    found
}

fn of_source(source: &Source) -> Vec<Source> {
    match source {
        Source::Table(_) => Vec::new(),
        Source::Expr(expr) => of_expr(expr).into_iter().map(Source::Expr).collect(),
        Source::Select(select) => {
            let inner = of_select(select).into_iter().map(|select| Source::Select(Box::new(select)));
            inner.chain(select.from.clone()).collect()
        }
    }
}

fn of_fields(fields: &Fields) -> Vec<Fields> {
    match fields {
        Fields::Value(expr) => of_expr(expr).into_iter().map(Fields::Value).collect(),
        Fields::List(fields) => {
            let mut found = if fields.len() > 1 { without_each(fields) } else { Vec::new() };
            found.extend(replaced_each(fields, of_field));
            found.into_iter().map(Fields::List).collect()
        }
    }
}

fn of_field(field: &Field) -> Vec<Field> {
    let Field::Single { expr, alias } = field else { return Vec::new() };
    let mut found: Vec<Field> =
        of_expr(expr).into_iter().map(|expr| Field::Single { expr, alias: alias.clone() }).collect();
    if alias.is_some() {
        found.push(Field::Single { expr: expr.clone(), alias: None });
    }
    found
}

/// Expressions that are one step simpler.
fn of_expr(expr: &Expr) -> Vec<Expr> {
    let boxed = |found: Vec<Expr>| found.into_iter().map(Box::new);
    match expr {
        Expr::Text(text) => match text.as_str() {
            "1" | "NONE" => Vec::new(),
            _ => vec![Expr::text("1"), Expr::text("NONE")],
        },
        Expr::Parameter(value) => vec![Expr::Text(value.clone())],
        Expr::Path(path) => {
            let mut found: Vec<Expr> = of_path(path).into_iter().map(Expr::Path).collect();
            if let Start::Expr(start) = &path.start {
                found.push((**start).clone());
            }
            found
        }
        Expr::Prefix(operator, inner) => {
            let mut found = vec![(**inner).clone()];
            found.extend(boxed(of_expr(inner)).map(|inner| Expr::Prefix(operator, inner)));
            found
        }
        Expr::Binary(operator, left, right) => {
            let mut found = vec![(**left).clone(), (**right).clone()];
            found.extend(boxed(of_expr(left)).map(|left| Expr::Binary(operator, left, right.clone())));
            found.extend(boxed(of_expr(right)).map(|right| Expr::Binary(operator, left.clone(), right)));
            found
        }
        Expr::Call(name, arguments) => {
            let mut found = arguments.clone();
            found.extend(replaced_each(arguments, of_expr).into_iter().map(|arguments| Expr::Call(name, arguments)));
            found
        }
        Expr::List(items) => {
            let mut found = items.clone();
            found.extend(without_each(items).into_iter().map(Expr::List));
            found.extend(replaced_each(items, of_expr).into_iter().map(Expr::List));
            found
        }
        Expr::Object(fields) => {
            let mut found: Vec<Expr> = fields.iter().map(|(_, value)| value.clone()).collect();
            let of_entry =
                |(name, value): &(&'static str, Expr)| of_expr(value).into_iter().map(|value| (*name, value)).collect();
            found.extend(without_each(fields).into_iter().map(Expr::Object));
            found.extend(replaced_each(fields, of_entry).into_iter().map(Expr::Object));
            found
        }
        Expr::If(branches) => {
            let mut found = branches.to_vec();
            let replaced = replaced_each(&branches[..], of_expr).into_iter();
            found.extend(replaced.filter_map(|branches| Some(Expr::If(Box::new(branches.try_into().ok()?)))));
            found
        }
        Expr::Select(select) => {
            let mut found = vec![Expr::text("[]")];
            found.extend(of_select(select).into_iter().map(|select| Expr::Select(Box::new(select))));
            found
        }
    }
}

fn of_path(path: &Path) -> Vec<Path> {
    let with = |parts| Path { start: path.start.clone(), parts };
    let is_row = path.start == Start::Row;
    let mut found: Vec<Path> = Vec::new();
    if path.parts.len() > 1 || !is_row {
        // What begins at the row must begin with a name or a step.
        let begins_well = |parts: &Vec<Part>| !is_row || matches!(parts.first(), Some(Part::Field(_) | Part::Step(_)));
        found.extend(without_each(&path.parts).into_iter().filter(begins_well).map(with));
    }
    found.extend(replaced_each(&path.parts, of_part).into_iter().map(with));
    if let Start::Expr(start) = &path.start {
        let starts = of_expr(start).into_iter().map(|start| Start::Expr(Box::new(start)));
        found.extend(starts.map(|start| Path { start, parts: path.parts.clone() }));
    }
    found
}

fn of_part(part: &Part) -> Vec<Part> {
    match part {
        Part::Filter(condition) => of_expr(condition).into_iter().map(Part::Filter).collect(),
        Part::Step(step) => {
            let mut found = vec![Part::Step(Step { filter: None, head: "", rest: "", ..step.clone() })];
            found.push(Part::Step(Step { head: "", rest: "", ..step.clone() }));
            found.push(Part::Step(Step { rest: "", ..step.clone() }));
            let conditions = step.filter.iter().flat_map(of_expr);
            found.extend(conditions.map(|filter| Part::Step(Step { filter: Some(filter), ..step.clone() })));
            found
        }
        Part::Method(name, arguments) => {
            replaced_each(arguments, of_expr).into_iter().map(|arguments| Part::Method(name, arguments)).collect()
        }
        Part::Pick(names) if names.len() > 1 => without_each(names).into_iter().map(Part::Pick).collect(),
        Part::Field(_) | Part::Index(_) | Part::Last | Part::All | Part::Pick(_) | Part::Flatten | Part::Optional => {
            Vec::new()
        }
    }
}
