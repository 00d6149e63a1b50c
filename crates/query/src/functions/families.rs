//! The functions of SurrealDB's library that answer from their arguments alone.

use std::collections::HashMap;
use std::sync::LazyLock;

use surrealdb_expr::val::Value as Surreal;

use super::native::{Native, arity_of, call};
use super::own::{OWN, VARIADIC};

/// Adds functions of one module, all of which begin with the same prefix.
macro_rules! family {
    ($all:ident, $prefix:literal, [$($module:tt)*], $($function:ident)*) => {{
        use surrealdb_runtime::$($module)* as module;
        $(
            let name = concat!($prefix, stringify!($function));
            let function = |arguments: Vec<Surreal>| {
                call(concat!($prefix, stringify!($function)), arguments, module::$function)
            };
            $all.insert(name, Native { name, arity: || arity_of(module::$function), function });
        )*
    }};
}

/// Adds a function under another name than its own.
macro_rules! renamed {
    ($all:ident, $name:literal, $function:path) => {
        let function = |arguments: Vec<Surreal>| call($name, arguments, $function);
        $all.insert($name, Native { name: $name, arity: || arity_of($function), function });
    };
}

/// The function of this name.
pub(crate) fn native(name: &str) -> Option<Native> {
    static NATIVES: LazyLock<HashMap<&'static str, Native>> = LazyLock::new(natives);
    NATIVES.get(name).copied()
}

#[rustfmt::skip]
fn natives() -> HashMap<&'static str, Native> {
    let mut all = HashMap::new();
    family!(all, "", [count], count);
    family!(all, "", [not], not);
    family!(all, "array::", [array],
        add append at boolean_and boolean_not boolean_or boolean_xor clump combine complement concat difference
        distinct fill first flatten group insert intersect is_empty join last len logical_and logical_or logical_xor
        matches max min pop prepend push range remove repeat reverse sequence slice sort sort_lexical sort_natural
        sort_natural_lexical swap transpose union windows);
    family!(all, "array::sort::", [array::sort], asc desc);
    family!(all, "bytes::", [bytes], len);
    family!(all, "crypto::", [crypto], blake3 joaat md5 sha1 sha256 sha512);
    family!(all, "duration::", [duration], days hours micros millis mins nanos secs weeks years);
    family!(all, "duration::from_", [duration::from], days hours micros millis mins nanos secs weeks);
    family!(all, "geo::", [geo], area bearing centroid distance);
    family!(all, "geo::hash::", [geo::hash], decode encode);
    family!(all, "geo::is_", [geo::is], valid);
    family!(all, "math::", [math],
        abs acos acot asin atan bottom ceil clamp cos cot deg2rad fixed floor interquartile lerp lerpangle ln log
        log10 log2 max mean median midhinge min mode nearestrank percentile pow product rad2deg round sign sin spread
        sqrt stddev sum tan top trimean variance);
    family!(all, "object::", [object], entries extend from_entries is_empty keys len remove values);
    family!(all, "parse::email::", [parse::email], host user);
    family!(all, "parse::url::", [parse::url], domain fragment host path port query scheme);
    family!(all, "set::", [set],
        add at complement contains difference first flatten intersect is_empty join last len max min remove slice
        union);
    family!(all, "string::", [string],
        capitalize contains ends_with len lowercase matches repeat replace reverse slice slug split
        starts_with trim uppercase words);
    family!(all, "string::distance::", [string::distance],
        damerau_levenshtein hamming levenshtein normalized_damerau_levenshtein normalized_levenshtein);
    family!(all, "string::html::", [string::html], encode sanitize);
    family!(all, "string::is_", [string::is],
        alpha alphanum ascii datetime domain email hexadecimal ip ipv4 ipv6 latitude longitude numeric record semver
        ulid url uuid);
    family!(all, "string::semver::", [string::semver], compare major minor patch);
    family!(all, "string::semver::inc::", [string::semver::inc], major minor patch);
    family!(all, "string::semver::set::", [string::semver::set], major minor patch);
    family!(all, "string::similarity::", [string::similarity], fuzzy jaro jaro_winkler smithwaterman sorensen_dice);
    family!(all, "time::", [time],
        ceil day floor format group hour max micros millis min minute month nano round second set_day set_hour
        set_minute set_month set_nanosecond set_second set_year unix wday week yday year);
    family!(all, "time::from_", [time::from], micros millis nanos secs ulid unix uuid);
    family!(all, "time::is_", [time::is], leap_year);
    family!(all, "type::", [r#type],
        array bool bytes datetime decimal duration float geometry int number point range record set string
        string_lossy table uuid);
    family!(all, "type::is_", [r#type::is],
        array bool bytes collection datetime decimal duration float geometry int line multiline multipoint
        multipolygon none null number object point polygon range record set string uuid);
    family!(all, "vector::", [vector],
        add angle cross divide dot magnitude multiply normalize project scale subtract sum);
    family!(all, "vector::distance::", [vector::distance], chebyshev euclidean hamming mahalanobis manhattan minkowski);
    family!(all, "vector::similarity::", [vector::similarity], cosine jaccard pearson spearman);
    renamed!(all, "string::distance::osa", surrealdb_runtime::string::distance::osa_distance);
    renamed!(all, "type::of", surrealdb_runtime::r#type::type_of);
    for own in OWN.iter().chain(VARIADIC) {
        all.insert(own.name, *own);
    }
    all
}
