//! Methods: functions that are found by the type of the value they are called on.

use circuit::{Failure, Function, Pure, Value};

use super::families::native;
use super::native::Native;

/// The methods of each type: functions of a family, with `_` for every `::` behind the name of the family.
const METHODS: &[(Receiver, &str, &str)] = &[
    (
        Receiver::String,
        "string",
        "capitalize concat contains ends_with join len lowercase matches repeat replace reverse slice slug split \
         starts_with trim uppercase words is_alphanum is_alpha is_ascii is_datetime is_domain is_email is_hexadecimal \
         is_ip is_ipv4 is_ipv6 is_latitude is_longitude is_numeric is_semver is_url is_ulid is_uuid is_record \
         distance_damerau_levenshtein distance_hamming distance_levenshtein distance_normalized_damerau_levenshtein \
         distance_normalized_levenshtein html_encode html_sanitize similarity_fuzzy similarity_jaro \
         similarity_jaro_winkler similarity_smithwaterman similarity_sorensen_dice semver_compare semver_major \
         semver_minor semver_patch semver_inc_major semver_inc_minor semver_inc_patch semver_set_major \
         semver_set_minor semver_set_patch",
    ),
    (
        Receiver::Array,
        "array",
        "add all any append at boolean_and boolean_not boolean_or boolean_xor clump combine complement concat \
         difference distinct every fill filter filter_index find find_index first flatten group includes index_of insert \
         intersect is_empty join last len logical_and logical_or logical_xor matches max min pop prepend push remove \
         reverse slice some sort sort_asc sort_desc sort_lexical sort_natural sort_natural_lexical swap transpose union \
         windows",
    ),
    (
        Receiver::Array,
        "vector",
        "vector_add vector_angle vector_cross vector_dot vector_divide vector_magnitude vector_multiply \
         vector_normalize vector_project vector_scale vector_subtract vector_sum vector_distance_chebyshev \
         vector_distance_euclidean vector_distance_hamming vector_distance_mahalanobis vector_distance_manhattan \
         vector_distance_minkowski vector_similarity_cosine vector_similarity_jaccard vector_similarity_pearson \
         vector_similarity_spearman",
    ),
    (
        Receiver::Set,
        "set",
        "add all any at complement contains difference filter find first flatten intersect is_empty join last len max min \
         remove slice union",
    ),
    (Receiver::Object, "object", "entries extend is_empty keys len remove values"),
    (Receiver::Bytes, "bytes", "len"),
    (Receiver::Duration, "duration", "days hours micros millis mins nanos secs weeks years"),
    (
        Receiver::Number,
        "math",
        "abs acos acot asin atan ceil cos cot deg2rad floor ln log log10 log2 rad2deg round sign sin tan",
    ),
    (Receiver::Geometry, "geo", "area bearing centroid distance hash_decode hash_encode is_valid"),
    (Receiver::Record, "record", "id tb table"),
    (
        Receiver::Datetime,
        "time",
        "ceil day floor format group hour is_leap_year micros millis minute month nano round second unix wday week yday \
         year set_year set_month set_day set_hour set_minute set_second set_nanosecond",
    ),
    (
        Receiver::Any,
        "type",
        "to_array to_bool to_bytes to_datetime to_decimal to_duration to_float to_geometry to_int to_number to_point \
         to_range to_record to_set to_string to_string_lossy to_uuid type_of is_array is_bool is_bytes is_collection \
         is_datetime is_decimal is_duration is_float is_geometry is_int is_line is_none is_null is_multiline \
         is_multipoint is_multipolygon is_number is_object is_point is_polygon is_range is_record is_set is_string \
         is_uuid",
    ),
    (Receiver::Any, "value", "diff patch"),
    (Receiver::Any, "array", "repeat"),
];

/// Methods under other names than those of their functions, for every type that has them.
const ALIASES: &[(&str, &str)] = &[("every", "all"), ("includes", "any"), ("some", "any"), ("index_of", "find_index")];

/// A type, as far as methods tell types apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiver {
    String,
    Array,
    Set,
    Object,
    Bytes,
    Duration,
    Datetime,
    Number,
    Geometry,
    Record,
    /// Every type that has no method of this name of its own.
    Any,
}

struct Method {
    name: String,
    by_receiver: Vec<(Receiver, Native)>,
}

/// The method of this name, if it is one of functions that are known.
pub(crate) fn method(name: &str) -> Option<Function> {
    let target = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, target)| *target);
    let mut by_receiver = Vec::new();
    for (receiver, family, names) in METHODS {
        if names.split_whitespace().any(|known| known == target) {
            by_receiver.push((*receiver, native(&function_name(family, target))?));
        }
    }
    let name = format!(".{name}");
    (!by_receiver.is_empty()).then(|| Function::new(Method { name, by_receiver }))
}

/// The function that a method of a family is.
fn function_name(family: &str, method: &str) -> String {
    let name = match (family, method) {
        ("type", "type_of") => "of",
        ("type", method) => method.strip_prefix("to_").unwrap_or(method),
        ("vector", method) => method.strip_prefix("vector_").unwrap_or(method),
        (_, method) => method,
    };
    let plain = format!("{family}::{name}");
    // The name may have further modules in it.
    let modules = ["distance_", "html_", "similarity_", "semver_inc_", "semver_set_", "semver_", "hash_", "sort_"];
    let module = modules.iter().find_map(|module| Some((*module, name.strip_prefix(module)?)));
    match module {
        Some((module, rest)) if native(&plain).is_none() => format!("{family}::{}{rest}", module.replace('_', "::")),
        _ => plain,
    }
}

impl Receiver {
    fn of(value: &Value) -> Receiver {
        match value {
            Value::String(_) => Receiver::String,
            Value::Array(_) => Receiver::Array,
            Value::Set(_) => Receiver::Set,
            Value::Object(_) => Receiver::Object,
            Value::Bytes(_) => Receiver::Bytes,
            Value::Duration(_) => Receiver::Duration,
            Value::Datetime(_) => Receiver::Datetime,
            Value::Int(_) | Value::Float(_) | Value::Decimal(_) => Receiver::Number,
            Value::Geometry(_) => Receiver::Geometry,
            Value::RecordId(_) => Receiver::Record,
            Value::None
            | Value::Null
            | Value::Bool(_)
            | Value::Uuid(_)
            | Value::Table(_)
            | Value::File(_)
            | Value::Regex(_)
            | Value::Range(_) => Receiver::Any,
        }
    }
}

impl Pure for Method {
    fn name(&self) -> &str {
        &self.name
    }

    /// The first argument is the value that the method is called on.
    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        let receiver = arguments.first().map_or(Receiver::Any, Receiver::of);
        let find = |wanted| self.by_receiver.iter().find(|(receiver, _)| *receiver == wanted);
        match find(receiver).or_else(|| find(Receiver::Any)) {
            Some((_, native)) => native.call(arguments),
            None => Err(Failure::new(format!("there is no method {} for values of this type", self.name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a name in the table that leads to no function.
    #[test]
    fn every_method_in_the_table_is_found() {
        for (receiver, family, names) in METHODS {
            for name in names.split_whitespace() {
                let target = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, target)| *target);
                let function = function_name(family, target);
                assert!(native(&function).is_some(), "{receiver:?}.{name} is {function}");
            }
        }
    }
}
