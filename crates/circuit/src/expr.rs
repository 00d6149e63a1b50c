//! Scalar expressions of a template, over the columns of a row and the slots of a binding.

use std::borrow::Cow;

use crate::library::Library;
use crate::value::Value;

/// An expression without constants: what a query wrote as a constant or a parameter is a slot of the binding, so that
/// queries which differ in nothing else are one template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// The value of a row at the template's column of this number.
    Column(u16),
    /// The value of the binding's slot of this number.
    Slot(u16),
    /// `!a`.
    Not(Box<Expr>),
    /// An operator with its operands.
    Binary(Operator, Box<Expr>, Box<Expr>),
}

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

impl Expr {
    pub fn binary(operator: Operator, left: Expr, right: Expr) -> Expr {
        Expr::Binary(operator, Box::new(left), Box::new(right))
    }

    /// Whether the expression holds, as a condition.
    pub fn test(&self, columns: &[Value], slots: &[Value], library: &dyn Library) -> bool {
        match self {
            Expr::Binary(Operator::And, left, right) => {
                left.test(columns, slots, library) && right.test(columns, slots, library)
            }
            Expr::Binary(Operator::Or, left, right) => {
                left.test(columns, slots, library) || right.test(columns, slots, library)
            }
            Expr::Not(inner) => !inner.test(columns, slots, library),
            other => other.evaluate(columns, slots, library).is_truthy(),
        }
    }

    /// The value of the expression. Borrows where it can.
    pub fn evaluate<'a>(&self, columns: &'a [Value], slots: &'a [Value], library: &dyn Library) -> Cow<'a, Value> {
        match self {
            Expr::Column(column) => at(columns, *column),
            Expr::Slot(slot) => at(slots, *slot),
            Expr::Not(inner) => Cow::Owned(Value::Bool(!inner.test(columns, slots, library))),
            Expr::Binary(operator, left, right) => {
                let left = left.evaluate(columns, slots, library);
                let keeps_left = match operator {
                    Operator::And => !left.is_truthy(),
                    Operator::Or => left.is_truthy(),
                    Operator::Coalesce => !left.is_nullish(),
                    comparison => {
                        let right = right.evaluate(columns, slots, library);
                        return Cow::Owned(Value::Bool(comparison.compare(&left, &right, library)));
                    }
                };
                if keeps_left { left } else { right.evaluate(columns, slots, library) }
            }
        }
    }

    /// Calls `visit` with every conjunct: the operands of all `&&` at the top.
    pub fn conjuncts<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        match self {
            Expr::Binary(Operator::And, left, right) => {
                left.conjuncts(visit);
                right.conjuncts(visit);
            }
            other => visit(other),
        }
    }
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

fn at(values: &[Value], index: u16) -> Cow<'_, Value> {
    values.get(usize::from(index)).map_or(Cow::Owned(Value::None), Cow::Borrowed)
}
