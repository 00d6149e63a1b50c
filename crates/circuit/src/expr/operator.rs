//! Operators that compare their operands or choose one of them.

use crate::expr::library::Library;
use crate::value::Value;

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `a && b`: `a` if it is not truthy, else `b`.
    And,
    /// `a || b` and `a ?: b`: `a` if it is truthy, else `b`.
    Or,
    /// `a ?? b`: `a` unless it is `NONE` or `NULL`.
    Coalesce,
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `==`.
    Exact,
    /// `*=`.
    AllEqual,
    /// `?=`.
    AnyEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    ContainsNot,
    ContainsAll,
    ContainsAny,
    ContainsNone,
    Inside,
    NotInside,
    AllInside,
    AnyInside,
    NoneInside,
    Intersects,
    Outside,
}

impl Operator {
    /// Applies a comparing operator; the three that choose one of their operands answer whether they would choose a
    /// truthy one.
    pub fn compare(self, a: &Value, b: &Value, library: &dyn Library) -> bool {
        match self {
            Operator::And => a.is_truthy() && b.is_truthy(),
            Operator::Or => a.is_truthy() || b.is_truthy(),
            Operator::Coalesce => if a.is_nullish() { b } else { a }.is_truthy(),
            Operator::Equal => a.equal(b, library),
            Operator::NotEqual => !a.equal(b, library),
            Operator::Exact => a == b,
            Operator::AllEqual => a.all_equal(b, library),
            Operator::AnyEqual => a.any_equal(b, library),
            Operator::Less => a < b,
            Operator::LessOrEqual => a <= b,
            Operator::Greater => a > b,
            Operator::GreaterOrEqual => a >= b,
            Operator::Contains => a.contains(b, library),
            Operator::ContainsNot => !a.contains(b, library),
            Operator::ContainsAll => a.contains_all(b, library),
            Operator::ContainsAny => a.contains_any(b, library),
            Operator::ContainsNone => !a.contains_any(b, library),
            Operator::Inside => b.contains(a, library),
            Operator::NotInside => !b.contains(a, library),
            Operator::AllInside => b.contains_all(a, library),
            Operator::AnyInside => b.contains_any(a, library),
            Operator::NoneInside => !b.contains_any(a, library),
            Operator::Intersects => a.intersects(b, library),
            Operator::Outside => !a.intersects(b, library),
        }
    }

    /// The operator that means the same with its operands exchanged, where there is one.
    pub fn mirrored(self) -> Option<Operator> {
        Some(match self {
            Operator::Equal => Operator::Equal,
            Operator::NotEqual => Operator::NotEqual,
            Operator::Exact => Operator::Exact,
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            Operator::Contains => Operator::Inside,
            Operator::ContainsNot => Operator::NotInside,
            Operator::ContainsAll => Operator::AllInside,
            Operator::ContainsAny => Operator::AnyInside,
            Operator::ContainsNone => Operator::NoneInside,
            Operator::Inside => Operator::Contains,
            Operator::NotInside => Operator::ContainsNot,
            Operator::AllInside => Operator::ContainsAll,
            Operator::AnyInside => Operator::ContainsAny,
            Operator::NoneInside => Operator::ContainsNone,
            Operator::Intersects => Operator::Intersects,
            Operator::Outside => Operator::Outside,
            Operator::And | Operator::Or | Operator::Coalesce | Operator::AllEqual | Operator::AnyEqual => return None,
        })
    }
}
