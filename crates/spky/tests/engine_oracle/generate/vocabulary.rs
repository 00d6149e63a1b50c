//! Where a query can get values from: paths from a row, and functions of them.

use crate::schema::{ITEM, Kind, table};
use crate::tree::{Part, Path};

/// The ways from a row to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A field of the row.
    Own,
    /// A field of an object.
    Nested,
    /// An item of a list, and what is behind it.
    Index,
    /// A field of the record that the row links to.
    Link,
    /// A field of the record that this one links to.
    LinkLink,
    /// A field of each record of a list of links.
    Links,
    /// A field of each object of a list.
    Items,
}

/// All paths by a route from a row with these fields, with what they lead to.
pub fn reach(fields: &[(&'static str, Kind)], route: Route) -> Vec<(Path, Kind)> {
    let mut found = Vec::new();
    for (name, kind) in fields {
        let path = Path::field(name);
        match (route, kind) {
            (Route::Own, _) => found.push((path, *kind)),
            (Route::Nested, Kind::Object) => {
                found.push((Path::names(&format!("{name}.views")), Kind::Number));
                found.push((Path::names(&format!("{name}.deep.level")), Kind::Number));
                found.push((Path::names(&format!("{name}.deep")), Kind::Any));
                found.push((Path::names(&format!("{name}.a")), Kind::Text));
            }
            (Route::Index, Kind::List) => found.extend(of_list(&path, Kind::Any)),
            (Route::Index, Kind::Numbers | Kind::Vector) => found.extend(of_list(&path, Kind::Number)),
            (Route::Index, Kind::Items) => found.extend(of_items(&path)),
            (Route::Index, Kind::Links(to)) => {
                found.extend(of_list(&path, Kind::Link(to)));
                let item = path.then(Part::Index(0));
                found.extend(
                    reach(table(to).fields, Route::Own).into_iter().map(|(rest, kind)| (joined(&item, rest), kind)),
                );
            }
            (Route::Link, Kind::Link(to)) => {
                found.extend(reach(linked(to), Route::Own).into_iter().map(|(rest, kind)| (joined(&path, rest), kind)));
                found.push((path.then(Part::Field("id".to_owned())), Kind::Link(to)));
            }
            (Route::LinkLink, Kind::Link(to)) => {
                found
                    .extend(reach(linked(to), Route::Link).into_iter().map(|(rest, kind)| (joined(&path, rest), kind)));
            }
            (Route::Links, Kind::Links(to)) => {
                found.push((joined(&path, Path::field("id")), Kind::Links(to)));
                found.extend(
                    reach(linked(to), Route::Own).into_iter().map(|(rest, _)| (joined(&path, rest), Kind::List)),
                );
                found.extend(
                    reach(linked(to), Route::Link).into_iter().map(|(rest, _)| (joined(&path, rest), Kind::List)),
                );
            }
            (Route::Items, Kind::Items) => {
                for rest in
                    [Path::field("n"), Path::field("b"), Path::field("b").then(Part::Index(0)), Path::names("by.name")]
                {
                    found.push((joined(&path, rest), Kind::List));
                }
            }
            _ => {}
        }
    }
    found
}

/// Fields of a linked table, without those whose own links would lead in circles.
fn linked(to: &str) -> &'static [(&'static str, Kind)] {
    table(to).fields
}

fn of_list(path: &Path, kind: Kind) -> Vec<(Path, Kind)> {
    let parts = [Part::Index(0), Part::Index(1), Part::Last];
    parts.into_iter().map(|part| (path.clone().then(part), kind)).collect()
}

fn of_items(path: &Path) -> Vec<(Path, Kind)> {
    let first = path.clone().then(Part::Index(0));
    let mut found: Vec<(Path, Kind)> =
        ITEM.iter().map(|(name, kind)| (first.clone().then(Part::Field((*name).to_owned())), *kind)).collect();
    let last = path.clone().then(Part::Last).then(Part::Field("b".to_owned())).then(Part::Index(0));
    found.push((last, Kind::Number));
    found
}

fn joined(path: &Path, rest: Path) -> Path {
    let mut path = path.clone();
    path.parts.extend(rest.parts);
    path
}

/// A function with the kinds of its arguments and of its result.
pub type Function = (&'static str, &'static [Argument], Kind);

/// An argument of a function.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A value of the row of this kind.
    Of(Kind),
    /// This text.
    Text(&'static str),
}

use Argument::{Of, Text};

const S: Argument = Of(Kind::Text);
const W: Argument = Of(Kind::Word);
const N: Argument = Of(Kind::Number);
const L: Argument = Of(Kind::List);
const NS: Argument = Of(Kind::Numbers);
const IS: Argument = Of(Kind::Items);
const US: Argument = Of(Kind::Links("user"));
const T: Argument = Of(Kind::Moment);
const D: Argument = Of(Kind::Span);
const O: Argument = Of(Kind::Object);
const R: Argument = Of(Kind::Link("user"));
const P: Argument = Of(Kind::Point);
const V: Argument = Of(Kind::Vector);
const A: Argument = Of(Kind::Any);

/// Functions by family; those of the first word are in one list.
pub const FUNCTIONS: &[(&str, &[Function])] = &[
    (
        "string",
        &[
            ("string::len", &[S], Kind::Number),
            ("string::uppercase", &[S], Kind::Text),
            ("string::lowercase", &[W], Kind::Word),
            ("string::contains", &[S, Text("'l'")], Kind::Flag),
            ("string::starts_with", &[S, Text("'h'")], Kind::Flag),
            ("string::ends_with", &[S, W], Kind::Flag),
            ("string::concat", &[S, Text("'-'"), N], Kind::Text),
            ("string::join", &[Text("' '"), S, W], Kind::Text),
            ("string::slice", &[S, Text("1"), Text("2")], Kind::Text),
            ("string::split", &[S, Text("'l'")], Kind::List),
            ("string::words", &[S], Kind::List),
            ("string::trim", &[S], Kind::Text),
            ("string::reverse", &[S], Kind::Text),
            ("string::replace", &[S, Text("'l'"), Text("'L'")], Kind::Text),
            ("string::repeat", &[S, Text("2")], Kind::Text),
            ("string::slug", &[S], Kind::Text),
            ("string::is_alpha", &[S], Kind::Flag),
            ("string::is_numeric", &[S], Kind::Flag),
            ("string::is_datetime", &[S], Kind::Flag),
            ("string::distance::levenshtein", &[S, W], Kind::Number),
            ("string::similarity::jaro", &[S, W], Kind::Number),
            ("string::matches", &[S, Text("'^[hH]'")], Kind::Flag),
        ],
    ),
    (
        "array",
        &[
            ("array::len", &[L], Kind::Number),
            ("array::distinct", &[L], Kind::List),
            ("array::first", &[L], Kind::Any),
            ("array::last", &[L], Kind::Any),
            ("array::flatten", &[L], Kind::List),
            ("array::sort", &[L], Kind::List),
            ("array::sort::desc", &[NS], Kind::Numbers),
            ("array::reverse", &[L], Kind::List),
            ("array::max", &[NS], Kind::Number),
            ("array::min", &[L], Kind::Any),
            ("array::concat", &[L, NS], Kind::List),
            ("array::union", &[L, NS], Kind::List),
            ("array::intersect", &[L, Text("[1, 2, 'open']")], Kind::List),
            ("array::difference", &[L, NS], Kind::List),
            ("array::complement", &[L, Text("[1, 'open']")], Kind::List),
            ("array::append", &[L, A], Kind::List),
            ("array::add", &[L, A], Kind::List),
            ("array::at", &[L, Text("0")], Kind::Any),
            ("array::slice", &[L, Text("0"), Text("2")], Kind::List),
            ("array::join", &[L, Text("','")], Kind::Text),
            ("array::group", &[L], Kind::List),
            ("array::is_empty", &[L], Kind::Flag),
            ("array::find_index", &[L, Text("1")], Kind::Number),
            ("array::map", &[NS, Text("|$v| $v + 1")], Kind::Numbers),
            ("array::filter", &[NS, Text("|$v| $v > 2")], Kind::Numbers),
            ("array::any", &[NS, Text("|$v| $v > 2")], Kind::Flag),
            ("array::all", &[L, Text("1")], Kind::Flag),
            ("array::fold", &[NS, Text("0"), Text("|$a, $v| $a + $v")], Kind::Number),
            ("array::map", &[IS, Text("|$v| $v.b.len()")], Kind::Numbers),
            ("value::chain", &[IS, Text("|$v| $v.b.len()")], Kind::Numbers),
            ("value::chain", &[US, Text("|$v| $v.meta.deep.is_object()")], Kind::List),
            ("value::chain", &[US, Text("|$v| $v.friends.name.is_string()")], Kind::List),
        ],
    ),
    (
        "math",
        &[
            ("math::abs", &[N], Kind::Number),
            ("math::ceil", &[N], Kind::Number),
            ("math::floor", &[N], Kind::Number),
            ("math::round", &[N], Kind::Number),
            ("math::sqrt", &[N], Kind::Number),
            ("math::sum", &[NS], Kind::Number),
            ("math::mean", &[NS], Kind::Number),
            ("math::median", &[NS], Kind::Number),
            ("math::max", &[NS], Kind::Number),
            ("math::min", &[NS], Kind::Number),
            ("math::stddev", &[NS], Kind::Number),
            ("math::pow", &[N, Text("2")], Kind::Number),
            ("math::clamp", &[N, Text("1"), Text("3")], Kind::Number),
            ("math::fixed", &[N, Text("2")], Kind::Number),
            ("math::sign", &[N], Kind::Number),
            ("math::log2", &[N], Kind::Number),
        ],
    ),
    (
        "type",
        &[
            ("type::of", &[A], Kind::Word),
            ("type::is_string", &[A], Kind::Flag),
            ("type::is_number", &[A], Kind::Flag),
            ("type::is_int", &[N], Kind::Flag),
            ("type::is_array", &[A], Kind::Flag),
            ("type::is_record", &[R, Text("'user'")], Kind::Flag),
            ("type::is_datetime", &[A], Kind::Flag),
            ("type::is_none", &[A], Kind::Flag),
            ("type::is_null", &[A], Kind::Flag),
            ("type::string", &[N], Kind::Text),
            ("type::float", &[N], Kind::Number),
            ("type::decimal", &[N], Kind::Number),
            ("type::array", &[A], Kind::List),
            ("type::record", &[Text("'user'"), N], Kind::Link("user")),
            ("type::point", &[Text("[1.0, 2.0]")], Kind::Point),
        ],
    ),
    (
        "time",
        &[
            ("time::year", &[T], Kind::Number),
            ("time::month", &[T], Kind::Number),
            ("time::day", &[T], Kind::Number),
            ("time::hour", &[T], Kind::Number),
            ("time::unix", &[T], Kind::Number),
            ("time::floor", &[T, Text("2d")], Kind::Moment),
            ("time::round", &[T, Text("1w")], Kind::Moment),
            ("time::group", &[T, Text("'month'")], Kind::Moment),
            ("time::format", &[T, Text("'%Y-%m-%d'")], Kind::Text),
            ("time::wday", &[T], Kind::Number),
            ("time::yday", &[T], Kind::Number),
            ("time::is_leap_year", &[T], Kind::Flag),
        ],
    ),
    (
        "object",
        &[
            ("object::keys", &[O], Kind::List),
            ("object::values", &[O], Kind::List),
            ("object::entries", &[O], Kind::List),
            ("object::len", &[O], Kind::Number),
            ("object::is_empty", &[O], Kind::Flag),
            ("object::extend", &[O, Text("{ views: 9 }")], Kind::Object),
            ("object::remove", &[O, Text("'deep'")], Kind::Object),
        ],
    ),
    (
        "record",
        &[
            ("record::id", &[R], Kind::Any),
            ("record::tb", &[R], Kind::Word),
            ("record::table", &[R], Kind::Word),
            ("record::exists", &[R], Kind::Flag),
        ],
    ),
    (
        "duration",
        &[
            ("duration::hours", &[D], Kind::Number),
            ("duration::mins", &[D], Kind::Number),
            ("duration::days", &[D], Kind::Number),
            ("duration::from_secs", &[Text("90")], Kind::Span),
        ],
    ),
    (
        "geo",
        &[
            ("geo::distance", &[P, Text("(0, 0)")], Kind::Number),
            ("geo::bearing", &[P, Text("(1, 1)")], Kind::Number),
            ("geo::hash::encode", &[P], Kind::Text),
            ("geo::is_valid", &[P], Kind::Flag),
        ],
    ),
    (
        "vector",
        &[
            ("vector::dot", &[V, Text("[1.0, 0.0, 1.0]")], Kind::Number),
            ("vector::magnitude", &[V], Kind::Number),
            ("vector::add", &[V, V], Kind::Vector),
            ("vector::distance::euclidean", &[V, Text("[1.0, 0.0, 1.0]")], Kind::Number),
            ("vector::similarity::cosine", &[V, Text("[1.0, 0.0, 1.0]")], Kind::Number),
        ],
    ),
];
