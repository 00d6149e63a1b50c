//! Splits SurrealQL into statements, to show the one that failed. Not a parser: good enough to quote from.

/// The statements of a text, without the semicolons between them, comments before them, and empty ones.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        let width = match character {
            '\'' | '"' | '`' => quoted(rest, character),
            '⟨' => quoted(rest, '⟩'),
            _ if starts_comment(rest) => comment(rest),
            _ => {
                match character {
                    '{' | '(' | '[' => depth += 1,
                    '}' | ')' | ']' => depth = depth.saturating_sub(1),
                    ';' if depth == 0 => {
                        push(&mut statements, &text[begin..at]);
                        begin = at + 1;
                    }
                    _ => {}
                }
                character.len_utf8()
            }
        };
        at += width;
    }
    push(&mut statements, &text[begin..]);
    statements
}

fn push<'a>(statements: &mut Vec<&'a str>, text: &'a str) {
    let mut text = text.trim();
    while starts_comment(text) {
        text = text[comment(text)..].trim_start();
    }
    if !text.is_empty() {
        statements.push(text);
    }
}

fn starts_comment(text: &str) -> bool {
    ["--", "//", "#", "/*"].iter().any(|mark| text.starts_with(mark))
}

/// The length of the comment that the text begins with.
fn comment(text: &str) -> usize {
    let end = match text.strip_prefix("/*") {
        Some(rest) => rest.find("*/").map(|at| at + 4),
        None => text.find('\n').map(|at| at + 1),
    };
    end.unwrap_or(text.len())
}

/// The length of the quoted part that the text begins with.
fn quoted(text: &str, end: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == end {
            return at + end.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_everything() {
        let text = "-- first; comment\nDEFINE TABLE a; /* ; */ DEFINE FUNCTION fn::f() { RETURN 1; };\n\
                    CREATE a SET x = 'a;b', y = \"\\\";\", `c;d` = 1;; RETURN [1; 2]; # end;\n";
        assert_eq!(
            split(text),
            [
                "DEFINE TABLE a",
                "DEFINE FUNCTION fn::f() { RETURN 1; }",
                "CREATE a SET x = 'a;b', y = \"\\\";\", `c;d` = 1",
                "RETURN [1; 2]",
            ]
        );
        assert!(split(" \n-- nothing\n;;").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_split(text in "[-a;'\"`⟨⟩{}()/*#\\\\\n ]{0,30}") {
            let length: usize = split(&text).iter().map(|statement| statement.len()).sum();
            prop_assert!(length <= text.len());
        }
    }
}
