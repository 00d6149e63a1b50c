//! The places of clauses, whose keywords have no position in the tree.

use std::ops::Range;

use surrealdb_ast::{AstSpan, Expr, Fields, Group, ListSelector, NodeId, NodeListId, OrderBy, Select, WithIndex};

use super::Locator;
use crate::refusal::Clause;

impl Locator<'_> {
    /// The selected field of a number, with its alias.
    pub(super) fn field(&self, select: &Select, number: usize) -> Option<Range<usize>> {
        let Fields::List(fields) = &self.ast[select.fields] else {
            return None;
        };
        let field = self.ast.iter_list(Some(*fields)).nth(number)?;
        Some(match &self.ast[field] {
            ListSelector::All(span) => range!(*span),
            ListSelector::Selector(selector) => {
                let expr = self.extent(selector.expr);
                let alias = selector.alias.map(|alias| range!(alias.ast_span(self.ast)));
                expr.start..alias.map_or(expr.end, |alias| alias.end.max(expr.end))
            }
        })
    }

    /// A clause from its keyword to its end.
    pub(super) fn clause(&self, select: &Select, clause: Clause) -> Option<Range<usize>> {
        let list = |list: NodeListId<Expr>| {
            let mut extents = self.ast.iter_list(Some(list)).map(|expr| self.extent(expr));
            let first = extents.next()?;
            Some(first.start..extents.last().map_or(first.end, |last| last.end))
        };
        let one = |expr: Option<NodeId<Expr>>| expr.map(|expr| self.extent(expr));
        match clause {
            Clause::Value => match &self.ast[select.fields] {
                Fields::Value(selector) => self.with_keyword("VALUE", self.extent(self.ast[*selector].expr)),
                Fields::List(_) => None,
            },
            Clause::Omit => self.with_keyword("OMIT", list(select.omit?)?),
            Clause::From => list(select.from),
            Clause::With => match &select.with_index {
                Some(WithIndex::Some(indexes)) => self.with_keyword("WITH", range!(indexes.ast_span(self.ast))),
                _ => None,
            },
            Clause::Split => self.with_keyword("SPLIT", list(select.split?)?),
            Clause::Group => match &select.group {
                Some(Group::Fields(fields)) => self.with_keyword("GROUP", list(*fields)?),
                Some(Group::All) => self.last_words(select, &["GROUP", "ALL"]),
                None => None,
            },
            Clause::Order => match &select.order {
                Some(OrderBy::Rand(span)) => self.with_keyword("ORDER", range!(*span)),
                _ => None,
            },
            Clause::Limit => self.with_keyword("LIMIT", one(select.limit)?),
            Clause::Start => self.with_keyword("START", one(select.start)?),
            Clause::Version => self.with_keyword("VERSION", one(select.version)?),
            Clause::Timeout => self.with_keyword("TIMEOUT", one(select.timeout)?),
            Clause::ForUpdate => self.last_words(select, &["FOR", "UPDATE"]),
            Clause::Explain => self.last_words(select, &["EXPLAIN"]),
        }
    }

    /// The range with the keyword before it: between both stand only other keywords, spaces and comments.
    fn with_keyword(&self, keyword: &str, content: Range<usize>) -> Option<Range<usize>> {
        let start = last_word(self.text.get(..content.start)?, keyword).unwrap_or(content.start);
        Some(start..start + balanced(self.text.get(start..content.end)?).len())
    }

    /// The last place in a statement where these words follow each other.
    fn last_words(&self, select: &Select, words: &[&str]) -> Option<Range<usize>> {
        let mut before = self.text.get(..range!(select.ast_span(self.ast)).end)?;
        let mut end = None;
        for word in words.iter().rev() {
            let start = last_word(before, word)?;
            end = end.or(Some(start + word.len()));
            before = &before[..start];
        }
        Some(before.len()..end?)
    }
}

/// The text without what closes a parenthesis around it: the spans of some constants reach too far.
fn balanced(mut text: &str) -> &str {
    while let Some(shorter) = text.trim_end().strip_suffix(')')
        && text.matches(')').count() > text.matches('(').count()
    {
        text = shorter.trim_end();
    }
    text
}

/// The start of the last occurrence of a word in any case, not as a part of a longer word.
fn last_word(text: &str, word: &str) -> Option<usize> {
    let is_letter = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    (0..=bytes.len().checked_sub(word.len())?).rev().find(|start| {
        let end = start + word.len();
        bytes[*start..end].eq_ignore_ascii_case(word.as_bytes())
            && !is_letter(bytes.get(end))
            && !(*start > 0 && is_letter(bytes.get(start - 1)))
    })
}
