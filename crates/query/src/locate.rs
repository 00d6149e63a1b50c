//! Where in a text a refused construct stands.
//!
//! Runs only after a refusal. The parser used here knows positions, but not reliably what a text means (see the crate's
//! documentation), so the search is for the first node of the refused kind, and it may find none: then the error points
//! to the statement as a whole.

/// A span as a range of bytes. Its type is of a crate that is not for others, so it has no name here.
macro_rules! range {
    ($span:expr) => {{
        let span = $span;
        span.start as usize..span.end.max(span.start) as usize
    }};
}

mod clauses;
mod nodes;

use std::ops::Range;

use surrealdb_ast::{
    Ast, AstSpan, BinaryOperator, Expr, IdiomExpr, IdiomOperator, NodeId, NodeListId, OrderBy, PathSegment,
    PostfixOperator, PrefixOperator, Query, RecordIdKey, Select, TopLevelExpr,
};
use surrealdb_parser::{Config, Parse, Parser};

use crate::error::Error;
use crate::refusal::{Anchor, Clause, Construct, Refusal};

/// The error for a refused text of statements.
pub(crate) fn locate(text: &str, refusal: Refusal) -> Error {
    let range = parse::<Query>(text).and_then(|(query, ast)| Locator { text, ast: &ast }.in_query(&query, &refusal));
    Error::at(text, range.unwrap_or_else(|| whole(text)), refusal.kind)
}

/// The error for a refused text of a single expression.
pub(crate) fn locate_in_expression(text: &str, refusal: Refusal) -> Error {
    let range = parse::<Expr>(text).and_then(|(expr, ast)| Locator { text, ast: &ast }.in_expr(&expr, &refusal.anchor));
    Error::at(text, range.unwrap_or_else(|| whole(text)), refusal.kind)
}

fn parse<P: Parse>(text: &str) -> Option<(P, Ast)> {
    Parser::enter_parse::<P>(text, Config::all_features()).ok()
}

fn whole(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    start..text.trim_end().trim_end_matches(';').len().max(start)
}

struct Locator<'a> {
    text: &'a str,
    ast: &'a Ast,
}

impl Locator<'_> {
    fn in_query(&self, query: &Query, refusal: &Refusal) -> Option<Range<usize>> {
        let mut statements = self.ast.iter_list(query.exprs);
        let first = statements.next()?;
        if refusal.anchor == Anchor::SecondStatement {
            return Some(range!(statements.next()?.ast_span(self.ast)));
        }
        let TopLevelExpr::Expr(mut expr) = self.ast[first] else {
            return None;
        };
        while let Expr::Covered(inner) = self.ast[expr] {
            expr = inner;
        }
        if let (Expr::Explain(explain), Anchor::Clause(Clause::Explain)) = (&self.ast[expr], &refusal.anchor) {
            return Some(range!(explain.ast_span(self.ast)));
        }
        let mut selects = Vec::new();
        self.selects_in(expr, &mut selects);
        let number = refusal.select.unwrap_or_default();
        let select = selects.get(number)?;
        match self.ast[*select] {
            Expr::Select(id) => self.in_select(&self.ast[id], &refusal.anchor).or_else(|| {
                // The outermost statement is shown as a whole, without spaces around it.
                (number > 0).then(|| self.with_parentheses(self.extent(*select)))
            }),
            _ => None,
        }
    }

    /// All SELECT statements in an expression, in the order of the text.
    fn selects_in(&self, expr: NodeId<Expr>, found: &mut Vec<NodeId<Expr>>) {
        if let Expr::Select(_) = self.ast[expr] {
            found.push(expr);
        }
        self.children_of(&self.ast[expr]).into_iter().for_each(|child| self.selects_in(child, found));
    }

    fn in_select(&self, select: &Select, anchor: &Anchor) -> Option<Range<usize>> {
        let nth = |list: Option<NodeListId<Expr>>, number: usize| {
            self.ast.iter_list(list).nth(number).map(|expr| self.extent(expr))
        };
        match anchor {
            Anchor::Statement | Anchor::SecondStatement => None,
            Anchor::Clause(clause) => self.clause(select, *clause),
            Anchor::Field(number) => self.field(select, *number),
            Anchor::Source(number) => nth(Some(select.from), *number),
            Anchor::SplitKey(number) => nth(select.split, *number),
            Anchor::OmitItem(number) => nth(select.omit, *number),
            Anchor::FetchItem(number) => nth(select.fetch, *number),
            Anchor::OrderKey(number) => match &select.order {
                Some(OrderBy::List(keys)) => {
                    let key = self.ast.iter_list(Some(*keys)).nth(*number)?;
                    Some(range!(key.ast_span(self.ast)))
                }
                _ => None,
            },
            Anchor::Construct(_) | Anchor::Parameter(_) => {
                self.expressions_of(select).into_iter().find_map(|expr| self.search(expr, anchor))
            }
        }
    }

    fn in_expr(&self, expr: &Expr, anchor: &Anchor) -> Option<Range<usize>> {
        match anchor {
            Anchor::Construct(_) | Anchor::Parameter(_) => self.search_in(expr, anchor),
            _ => None,
        }
    }

    /// The first node of an expression that the anchor is about. A SELECT inside of it is searched by itself.
    fn search(&self, expr: NodeId<Expr>, anchor: &Anchor) -> Option<Range<usize>> {
        self.search_in(&self.ast[expr], anchor)
    }

    fn search_in(&self, expr: &Expr, anchor: &Anchor) -> Option<Range<usize>> {
        if self.is_match(expr, anchor) {
            return Some(self.extent_of(expr));
        }
        match expr {
            // A statement is shown with its parentheses.
            Expr::Covered(inner)
                if self.is_match(&self.ast[*inner], anchor)
                    && matches!(anchor, Anchor::Construct(Construct::Statement)) =>
            {
                return Some(self.extent_of(expr));
            }
            Expr::Select(_) => return None,
            Expr::Idiom(idiom) => {
                let steps = self.steps_of(*idiom);
                if let Some(step) = steps.iter().find(|step| self.is_match(&Expr::Idiom(**step), anchor)) {
                    return Some(self.extent_of(&Expr::Idiom(*step)));
                }
            }
            _ => {}
        }
        self.children_of(expr).into_iter().find_map(|child| self.search(child, anchor))
    }

    fn is_match(&self, expr: &Expr, anchor: &Anchor) -> bool {
        match anchor {
            Anchor::Parameter(name) => {
                matches!(expr, Expr::Param(parameter) if self.ast[self.ast[*parameter].text] == *name)
            }
            Anchor::Construct(Construct::Computed) => self.is_computed(expr),
            Anchor::Construct(construct) => self.construct(expr).as_ref() == Some(construct),
            _ => false,
        }
    }

    /// The kind of a node, if it is one that may be refused.
    fn construct(&self, expr: &Expr) -> Option<Construct> {
        Some(match expr {
            Expr::Covered(_)
            | Expr::Builtin(_)
            | Expr::Float(_)
            | Expr::Integer(_)
            | Expr::Decimal(_)
            | Expr::String(_)
            | Expr::Regex(_)
            | Expr::Uuid(_)
            | Expr::DateTime(_)
            | Expr::Duration(_)
            | Expr::File(_)
            | Expr::Bytes(_)
            | Expr::Point(_)
            | Expr::Array(_)
            | Expr::Object(_)
            | Expr::Set(_)
            | Expr::UnboundedRange(_)
            | Expr::Path(_)
            | Expr::Param(_) => return None,
            Expr::RecordId(id) => match self.ast[self.ast[*id].key] {
                RecordIdKey::Range(_) => Construct::RecordRange,
                RecordIdKey::Generate(_) => Construct::GeneratedKey,
                _ => return None,
            },
            Expr::Document(_) => Construct::Document,
            Expr::Mock(_) => Construct::Mock,
            Expr::Closure(_) => Construct::Closure,
            Expr::JsFunction(_) => Construct::Script,
            Expr::Block(_) => Construct::Block,
            Expr::Binary(binary) => match self.ast[*binary].op.value {
                BinaryOperator::Subtract
                | BinaryOperator::Add
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Remainder
                | BinaryOperator::Power => Construct::Arithmetic,
                BinaryOperator::Matches { .. } => Construct::FullText,
                BinaryOperator::KNearestNeighbour { .. }
                | BinaryOperator::KTree { .. }
                | BinaryOperator::KApproximate { .. } => Construct::Nearest,
                _ => return None,
            },
            Expr::Postfix(postfix) => match &self.ast[*postfix].op.value {
                PostfixOperator::MethodCall { name, .. } => Construct::Method(self.ast[*name].to_lowercase()),
                PostfixOperator::Call(_) => Construct::Call,
                PostfixOperator::Range | PostfixOperator::RangeSkip => return None,
            },
            Expr::Prefix(prefix) => match self.ast[*prefix].op {
                PrefixOperator::Cast(_) => Construct::Cast,
                PrefixOperator::Negate(_) => Construct::Arithmetic,
                _ => return None,
            },
            Expr::Idiom(idiom) => return self.construct_of_step(&self.ast[*idiom]),
            _ => Construct::Statement,
        })
    }

    fn construct_of_step(&self, idiom: &IdiomExpr) -> Option<Construct> {
        Some(match &idiom.op.value {
            IdiomOperator::All => Construct::All,
            IdiomOperator::Flatten => Construct::Flatten,
            IdiomOperator::Where(_) => Construct::Filter,
            IdiomOperator::Option => Construct::Optional,
            IdiomOperator::Repeat | IdiomOperator::Recurse(_) => Construct::Recursion,
            IdiomOperator::Destructure(_) => Construct::Destructuring,
            IdiomOperator::Graph { .. } => Construct::Graph,
            IdiomOperator::Reference(_) => Construct::Reference,
            IdiomOperator::Call(_) => match self.ast[idiom.left] {
                Expr::Path(path) => Construct::Function(self.name_of(path)),
                Expr::Idiom(receiver) => match self.ast[receiver].op.value {
                    IdiomOperator::Field(name) => Construct::Method(self.ast[self.ast[name].text].to_lowercase()),
                    _ => Construct::Call,
                },
                _ => Construct::Call,
            },
            IdiomOperator::Index(index) if !matches!(self.ast[*index], Expr::Integer(_)) => Construct::Index,
            IdiomOperator::Last | IdiomOperator::Field(_) | IdiomOperator::Index(_) => match self.ast[idiom.left] {
                Expr::Covered(_) | Expr::Param(_) | Expr::RecordId(_) => Construct::PathFromValue,
                _ => return None,
            },
        })
    }

    /// The name of a function, in lower case.
    fn name_of(&self, path: NodeId<surrealdb_ast::Path>) -> String {
        let path = &self.ast[path];
        let mut name = self.ast[self.ast[path.start].text].clone();
        for part in self.ast.iter_list(path.parts) {
            if let PathSegment::Ident(part) = self.ast[part] {
                name.push_str("::");
                name.push_str(&self.ast[self.ast[part].text]);
            }
        }
        name.to_lowercase()
    }

    /// Whether the expression builds a value from a field of the row.
    fn is_computed(&self, expr: &Expr) -> bool {
        let is_built = match expr {
            Expr::Array(_) | Expr::Object(_) | Expr::Set(_) | Expr::RecordId(_) => true,
            Expr::Binary(binary) => matches!(
                self.ast[*binary].op.value,
                BinaryOperator::Range
                    | BinaryOperator::RangeInclusive
                    | BinaryOperator::RangeSkip
                    | BinaryOperator::RangeSkipInclusive
            ),
            Expr::Prefix(prefix) => {
                matches!(self.ast[*prefix].op, PrefixOperator::Range(_) | PrefixOperator::RangeInclusive(_))
            }
            Expr::Postfix(postfix) => {
                matches!(self.ast[*postfix].op.value, PostfixOperator::Range | PostfixOperator::RangeSkip)
            }
            _ => false,
        };
        is_built && self.mentions_field(expr)
    }

    fn mentions_field(&self, expr: &Expr) -> bool {
        let in_list = |items| self.ast.iter_list(items).any(|item: NodeId<Expr>| self.mentions_field(&self.ast[item]));
        let in_expr = |expr: NodeId<Expr>| self.mentions_field(&self.ast[expr]);
        match expr {
            Expr::Path(path) => self.ast[*path].parts.is_none(),
            Expr::Covered(inner) => in_expr(*inner),
            Expr::Array(array) => in_list(self.ast[*array].entries),
            Expr::Set(set) => in_list(self.ast[*set].entries),
            Expr::Object(object) => {
                self.ast.iter_list(self.ast[*object].entries).any(|entry| in_expr(self.ast[entry].value))
            }
            Expr::RecordId(id) => match self.ast[self.ast[*id].key] {
                RecordIdKey::Array(array) => in_list(self.ast[array].entries),
                RecordIdKey::Object(object) => {
                    self.ast.iter_list(self.ast[object].entries).any(|entry| in_expr(self.ast[entry].value))
                }
                _ => false,
            },
            Expr::Binary(binary) => in_expr(self.ast[*binary].left) || in_expr(self.ast[*binary].right),
            Expr::Prefix(prefix) => in_expr(self.ast[*prefix].right),
            Expr::Postfix(postfix) => in_expr(self.ast[*postfix].left),
            Expr::Idiom(idiom) => in_expr(self.start_of(*idiom)),
            _ => false,
        }
    }

    /// Parentheses have no span, but nothing other than spaces stands between them and what they cover.
    fn with_parentheses(&self, inner: Range<usize>) -> Range<usize> {
        let before = self.text.get(..inner.start).and_then(|text| text.trim_end().strip_suffix('('));
        let after = self.text.get(inner.end..).and_then(|text| text.trim_start().strip_prefix(')'));
        match (before, after) {
            (Some(before), Some(after)) => before.len()..self.text.len() - after.len(),
            _ => inner,
        }
    }

    fn extent(&self, expr: NodeId<Expr>) -> Range<usize> {
        self.extent_of(&self.ast[expr])
    }

    /// The bytes of an expression. The spans of operators cover the operator alone, or not all operands.
    fn extent_of(&self, expr: &Expr) -> Range<usize> {
        match expr {
            Expr::Binary(binary) => {
                let binary = &self.ast[*binary];
                self.extent(binary.left).start..self.extent(binary.right).end
            }
            Expr::Prefix(prefix) => {
                let prefix = &self.ast[*prefix];
                range!(prefix.span).start..self.extent(prefix.right).end
            }
            Expr::Postfix(postfix) => {
                let postfix = &self.ast[*postfix];
                let operator = range!(postfix.op.span);
                self.extent(postfix.left).start..operator.end.max(range!(postfix.span).end)
            }
            Expr::Idiom(idiom) => {
                let start = self.extent(self.start_of(*idiom)).start;
                let idiom = &self.ast[*idiom];
                let whole = range!(idiom.span);
                whole.start.min(start)..whole.end.max(range!(idiom.op.span).end)
            }
            Expr::Covered(inner) => self.with_parentheses(self.extent(*inner)),
            other => range!(other.ast_span(self.ast)),
        }
    }
}
