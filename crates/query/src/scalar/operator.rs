//! Operators in front of, behind and between operands.

use std::ops::Bound;

use circuit::{Expr, Operator};
use surrealdb_expr::expr::{BinaryOperator, Expr as SurrealExpr, PostfixOperator, PrefixOperator};

use super::place::Place;
use super::{Scalar, folded};
use crate::functions;
use crate::functions::arithmetic::Arithmetic;
use crate::refusal::{Construct, Refusal};

/// What an operator between two operands becomes.
enum Meaning {
    Comparison(Operator),
    Arithmetic(Arithmetic),
    Range(fn(Box<Expr>) -> Bound<Box<Expr>>, fn(Box<Expr>) -> Bound<Box<Expr>>),
}

impl Scalar<'_> {
    pub(super) fn prefix(
        &mut self,
        whole: &SurrealExpr,
        operator: &PrefixOperator,
        inner: &SurrealExpr,
        place: Place,
    ) -> Result<Expr, Refusal> {
        let inner = self.expr(inner, place)?;
        let applied = match operator {
            // `+` does nothing, to any value.
            PrefixOperator::Positive => return Ok(inner),
            PrefixOperator::Not => Expr::Not(Box::new(inner)),
            PrefixOperator::Negate => Arithmetic::Negate.of([inner]),
            PrefixOperator::Range => Expr::Range(Bound::Unbounded, Bound::Excluded(Box::new(inner))),
            PrefixOperator::RangeInclusive => Expr::Range(Bound::Unbounded, Bound::Included(Box::new(inner))),
            PrefixOperator::Cast(kind) => Expr::call(functions::cast(kind), [inner]),
        };
        folded(applied, Construct::of(whole))
    }

    pub(super) fn postfix(
        &mut self,
        whole: &SurrealExpr,
        operator: &PostfixOperator,
        inner: &SurrealExpr,
        place: Place,
    ) -> Result<Expr, Refusal> {
        let bound: fn(Box<Expr>) -> Bound<Box<Expr>> = match operator {
            PostfixOperator::Range => Bound::Included,
            PostfixOperator::RangeSkip => Bound::Excluded,
            PostfixOperator::MethodCall(name, _) => {
                return Err(Refusal::construct(Construct::Method(name.to_lowercase())));
            }
            PostfixOperator::Call(_) => return Err(Refusal::construct(Construct::of(whole))),
        };
        let start = bound(Box::new(self.expr(inner, place)?));
        folded(Expr::Range(start, Bound::Unbounded), Construct::of(whole))
    }

    pub(super) fn binary(
        &mut self,
        whole: &SurrealExpr,
        left: &SurrealExpr,
        operator: &BinaryOperator,
        right: &SurrealExpr,
        place: Place,
    ) -> Result<Expr, Refusal> {
        let Some(meaning) = meaning(operator) else {
            return Err(Refusal::construct(Construct::of(whole)));
        };
        let (left, right) = (self.expr(left, place)?, self.expr(right, place)?);
        let applied = match meaning {
            Meaning::Comparison(operator) => Expr::binary(operator, left, right),
            Meaning::Arithmetic(operator) => operator.of([left, right]),
            Meaning::Range(start, end) => Expr::Range(start(Box::new(left)), end(Box::new(right))),
        };
        folded(applied, Construct::of(whole))
    }
}

fn meaning(operator: &BinaryOperator) -> Option<Meaning> {
    let comparison = match operator {
        BinaryOperator::And => Operator::And,
        // `a ?: b` is `a` if it is truthy, and so is `a || b`.
        BinaryOperator::Or | BinaryOperator::TenaryCondition => Operator::Or,
        BinaryOperator::NullCoalescing => Operator::Coalesce,
        BinaryOperator::Equal => Operator::Equal,
        BinaryOperator::NotEqual => Operator::NotEqual,
        BinaryOperator::ExactEqual => Operator::Exact,
        BinaryOperator::AllEqual => Operator::AllEqual,
        BinaryOperator::AnyEqual => Operator::AnyEqual,
        BinaryOperator::LessThan => Operator::Less,
        BinaryOperator::LessThanEqual => Operator::LessOrEqual,
        BinaryOperator::MoreThan => Operator::Greater,
        BinaryOperator::MoreThanEqual => Operator::GreaterOrEqual,
        BinaryOperator::Contain => Operator::Contains,
        BinaryOperator::NotContain => Operator::ContainsNot,
        BinaryOperator::ContainAll => Operator::ContainsAll,
        BinaryOperator::ContainAny => Operator::ContainsAny,
        BinaryOperator::ContainNone => Operator::ContainsNone,
        BinaryOperator::Inside => Operator::Inside,
        BinaryOperator::NotInside => Operator::NotInside,
        BinaryOperator::AllInside => Operator::AllInside,
        BinaryOperator::AnyInside => Operator::AnyInside,
        BinaryOperator::NoneInside => Operator::NoneInside,
        BinaryOperator::Intersects => Operator::Intersects,
        BinaryOperator::Outside => Operator::Outside,
        BinaryOperator::Add => return Some(Meaning::Arithmetic(Arithmetic::Add)),
        BinaryOperator::Subtract => return Some(Meaning::Arithmetic(Arithmetic::Subtract)),
        BinaryOperator::Multiply => return Some(Meaning::Arithmetic(Arithmetic::Multiply)),
        BinaryOperator::Divide => return Some(Meaning::Arithmetic(Arithmetic::Divide)),
        BinaryOperator::Remainder => return Some(Meaning::Arithmetic(Arithmetic::Remainder)),
        BinaryOperator::Power => return Some(Meaning::Arithmetic(Arithmetic::Power)),
        BinaryOperator::Range => return Some(Meaning::Range(Bound::Included, Bound::Excluded)),
        BinaryOperator::RangeInclusive => return Some(Meaning::Range(Bound::Included, Bound::Included)),
        BinaryOperator::RangeSkip => return Some(Meaning::Range(Bound::Excluded, Bound::Excluded)),
        BinaryOperator::RangeSkipInclusive => return Some(Meaning::Range(Bound::Excluded, Bound::Included)),
        BinaryOperator::Matches(_) | BinaryOperator::NearestNeighbor(_) => return None,
    };
    Some(Meaning::Comparison(comparison))
}
