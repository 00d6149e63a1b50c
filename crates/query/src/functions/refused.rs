//! Functions that can't be kept up to date, and why.

/// Why calls of this function are refused. The number of arguments matters for some: `time::day()` asks for the present.
pub(crate) fn reason(name: &str, arguments: usize) -> Option<&'static str> {
    const RANDOM: &str = "is not deterministic";
    const SLOW: &str = "is slow by intent, and would have to run for every row";
    const EFFECT: &str = "has side effects";
    const INDEX: &str = "needs a search index";
    const DEFINED: &str = "is defined in the database, where its definition may change";
    const EXPERIMENTAL: &str = "is an experimental feature of the database";
    const LATE: &str = "reads what is known only when the query runs";
    const UNKNOWN: &str = "is not supported";
    let (family, function) = name.split_once("::").unwrap_or((name, ""));
    Some(match (family, function) {
        ("rand" | "session", _) => RANDOM,
        ("array", "shuffle") | ("time", "now" | "timezone") => RANDOM,
        (
            "time",
            "day" | "hour" | "is_leap_year" | "micros" | "millis" | "minute" | "month" | "nano" | "second" | "unix"
            | "wday" | "week" | "yday" | "year",
        ) if arguments == 0 => RANDOM,
        ("crypto", function) if function.ends_with("::generate") => RANDOM,
        ("crypto", function) if function.ends_with("::compare") => SLOW,
        ("http" | "sequence" | "sleep" | "api", _) => EFFECT,
        ("type", "file") | ("file", "bucket" | "key") => EXPERIMENTAL,
        ("file", _) => EFFECT,
        ("search", _) | ("vector", "distance::knn") => INDEX,
        ("fn" | "ml" | "mod" | "silo", _) => DEFINED,
        ("type", "field" | "fields") | ("schema" | "eval", _) => LATE,
        ("encoding", "cbor::encode" | "cbor::decode") => UNKNOWN,
        _ => return None,
    })
}
