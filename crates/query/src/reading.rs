//! Whether a text only reads, as SurrealDB itself tells which statements need a transaction that may write.

use crate::error::Error;
use crate::syntax;

/// Whether no statement of a text can change anything. What calls functions of the database's own counts as if it could.
/// O(text).
///
/// # Errors
/// If it does not parse.
pub fn reads_only(text: &str) -> Result<bool, Error> {
    Ok(syntax::statements(text)?.iter().all(surrealdb_expr::expr::TopLevelExpr::read_only))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_change_something_is_told() {
        for text in [
            "SELECT * FROM thread WHERE author = $author ORDER BY n LIMIT 5",
            "{ LET $rows = SELECT * FROM type::record($a, $b) LIMIT 3; RETURN [$rows, (SELECT VALUE v FROM t:[1]..)]; }",
            "RETURN thread:1.*; SELECT ->wrote->post FROM user",
            "SELECT count() FROM thread GROUP ALL",
        ] {
            assert!(reads_only(text).unwrap(), "{text}");
        }
        for text in [
            "CREATE thread:1",
            "SELECT * FROM (UPDATE thread SET n = 1)",
            "SELECT *, (DELETE thread:1) FROM user",
            "RETURN { a: [UPSERT thread:1] }",
            "IF true { INSERT INTO thread {} }",
            "FOR $n IN 0..3 { RELATE user:1->wrote->post:1 }",
            "DEFINE TABLE other",
            "REMOVE TABLE thread",
            "SELECT fn::change() FROM user",
            "USE NS other",
            "LIVE SELECT * FROM thread",
            "SELECT 1 FROM user; KILL u'018f6b56-5b5f-7b6e-8b7e-0123456789ab'",
        ] {
            assert!(!reads_only(text).unwrap(), "{text}");
        }
        assert!(reads_only("SELECT FROM WHERE").is_err());
    }
}
