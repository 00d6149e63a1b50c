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

use std::ops::Range;

use surrealdb_ast::{
    Ast, AstSpan, BinaryOperator, DestructureOperator, Expr, Fields, IdiomExpr, IdiomOperator, ListSelector, NodeId,
    NodeListId, OrderBy, PathSegment, PostfixOperator, PrefixOperator, Query, RecordIdKey, Select, TopLevelExpr,
};
use surrealdb_parser::{Config, Parse, Parser};

use crate::error::Error;
use crate::refusal::{Anchor, Clause, Construct, Refusal};

/// The error for a refused text of statements.
pub(crate) fn locate(text: &str, refusal: Refusal) -> Error {
    let range =
        parse::<Query>(text).and_then(|(query, ast)| Locator { text, ast: &ast }.in_query(&query, &refusal.anchor));
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
    fn in_query(&self, query: &Query, anchor: &Anchor) -> Option<Range<usize>> {
        let mut statements = self.ast.iter_list(query.exprs);
        let first = statements.next()?;
        if *anchor == Anchor::SecondStatement {
            return Some(range!(statements.next()?.ast_span(self.ast)));
        }
        let TopLevelExpr::Expr(mut expr) = self.ast[first] else {
            return None;
        };
        while let Expr::Covered(inner) = self.ast[expr] {
            expr = inner;
        }
        match (&self.ast[expr], anchor) {
            (Expr::Explain(explain), Anchor::Clause(Clause::Explain)) => Some(range!(explain.ast_span(self.ast))),
            (Expr::Select(select), anchor) => self.in_select(&self.ast[*select], anchor),
            _ => None,
        }
    }

    fn in_select(&self, select: &Select, anchor: &Anchor) -> Option<Range<usize>> {
        match anchor {
            Anchor::Statement | Anchor::SecondStatement => None,
            Anchor::Clause(clause) => self.clause(select, *clause),
            Anchor::Field(number) => self.field(select, *number),
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

    /// All expressions of a statement, in the order of the text.
    fn expressions_of(&self, select: &Select) -> Vec<NodeId<Expr>> {
        let mut expressions = Vec::new();
        match &self.ast[select.fields] {
            Fields::Value(selector) => expressions.push(self.ast[*selector].expr),
            Fields::List(fields) => {
                expressions.extend(self.ast.iter_list(Some(*fields)).filter_map(|field| match &self.ast[field] {
                    ListSelector::All(_) => None,
                    ListSelector::Selector(selector) => Some(selector.expr),
                }));
            }
        }
        expressions.extend(self.ast.iter_list(Some(select.from)));
        expressions.extend(select.condition);
        if let Some(OrderBy::List(keys)) = &select.order {
            expressions.extend(self.ast.iter_list(Some(*keys)).map(|key| self.ast[key].expr));
        }
        expressions.extend(select.limit.into_iter().chain(select.start));
        expressions
    }

    /// The first node of an expression that the anchor is about.
    fn search(&self, expr: NodeId<Expr>, anchor: &Anchor) -> Option<Range<usize>> {
        self.search_in(&self.ast[expr], anchor)
    }

    fn search_in(&self, expr: &Expr, anchor: &Anchor) -> Option<Range<usize>> {
        if self.is_match(expr, anchor) {
            return Some(self.extent_of(expr));
        }
        // A statement is shown with its parentheses.
        if let Expr::Covered(inner) = expr
            && self.is_match(&self.ast[*inner], anchor)
            && matches!(anchor, Anchor::Construct(Construct::Statement))
        {
            return Some(self.extent_of(expr));
        }
        let in_list =
            |items: Option<NodeListId<Expr>>| self.ast.iter_list(items).find_map(|item| self.search(item, anchor));
        match expr {
            Expr::Covered(inner) => self.search(*inner, anchor),
            Expr::Array(array) => in_list(self.ast[*array].entries),
            Expr::Set(set) => in_list(self.ast[*set].entries),
            Expr::Object(object) => self
                .ast
                .iter_list(self.ast[*object].entries)
                .find_map(|entry| self.search(self.ast[entry].value, anchor)),
            Expr::RecordId(id) => self.search_in_key(&self.ast[self.ast[*id].key], anchor),
            Expr::Binary(binary) => {
                let binary = &self.ast[*binary];
                self.search(binary.left, anchor).or_else(|| self.search(binary.right, anchor))
            }
            Expr::Postfix(postfix) => {
                let postfix = &self.ast[*postfix];
                self.search(postfix.left, anchor).or_else(|| match &postfix.op.value {
                    PostfixOperator::MethodCall { arguments, .. } | PostfixOperator::Call(arguments) => {
                        in_list(*arguments)
                    }
                    PostfixOperator::Range | PostfixOperator::RangeSkip => None,
                })
            }
            Expr::Prefix(prefix) => self.search(self.ast[*prefix].right, anchor),
            Expr::Idiom(idiom) => self.search_in_path(*idiom, anchor),
            _ => None,
        }
    }

    fn search_in_key(&self, key: &RecordIdKey, anchor: &Anchor) -> Option<Range<usize>> {
        match key {
            RecordIdKey::Array(array) => self.search_in(&Expr::Array(*array), anchor),
            RecordIdKey::Object(object) => self.search_in(&Expr::Object(*object), anchor),
            _ => None,
        }
    }

    /// A path is a node for each of its steps, the last one outermost. Paths may be of any length, so this must not
    /// recurse.
    fn search_in_path(&self, last: NodeId<IdiomExpr>, anchor: &Anchor) -> Option<Range<usize>> {
        let steps = self.steps_of(last);
        if let Some(step) = steps.iter().find(|step| self.is_match(&Expr::Idiom(**step), anchor)) {
            return Some(self.extent_of(&Expr::Idiom(*step)));
        }
        let first = steps.last().map(|step| self.ast[*step].left)?;
        let in_first = self.search(first, anchor);
        in_first.or_else(|| steps.iter().rev().find_map(|step| self.search_in_step(&self.ast[*step], anchor)))
    }

    fn search_in_step(&self, step: &IdiomExpr, anchor: &Anchor) -> Option<Range<usize>> {
        match &step.op.value {
            IdiomOperator::Index(inner) | IdiomOperator::Where(inner) => self.search(*inner, anchor),
            IdiomOperator::Call(arguments) => {
                self.ast.iter_list(*arguments).find_map(|argument| self.search(argument, anchor))
            }
            IdiomOperator::Destructure(fields) => {
                self.ast.iter_list(*fields).find_map(|field| match &self.ast[field].op.as_ref()?.value {
                    DestructureOperator::Expr(expr) => self.search(*expr, anchor),
                    _ => None,
                })
            }
            _ => None,
        }
    }

    /// The steps of a path from the last one to the first.
    fn steps_of(&self, last: NodeId<IdiomExpr>) -> Vec<NodeId<IdiomExpr>> {
        let before = |step: &NodeId<IdiomExpr>| match self.ast[self.ast[*step].left] {
            Expr::Idiom(before) => Some(before),
            _ => None,
        };
        std::iter::successors(Some(last), before).collect()
    }

    /// What the first step of a path is applied to.
    fn start_of(&self, last: NodeId<IdiomExpr>) -> NodeId<Expr> {
        let mut start = self.ast[last].left;
        while let Expr::Idiom(step) = self.ast[start] {
            start = self.ast[step].left;
        }
        start
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
