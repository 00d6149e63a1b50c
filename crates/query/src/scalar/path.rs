//! Paths: the fields of the row in their fast form, everything else part by part.

use std::sync::Arc;

use circuit::{Expr, Part, Path, PathStep, Pick};
use surrealdb_expr::expr::part::{DestructurePart, Part as SurrealPart};
use surrealdb_expr::expr::{Expr as SurrealExpr, Literal};

use super::place::{Parent, Place};
use super::{Scalar, folded};
use crate::refusal::{Construct, Refusal};

impl Scalar<'_> {
    pub(super) fn idiom(&mut self, parts: &[SurrealPart], place: Place) -> Result<Expr, Refusal> {
        match parts.split_first() {
            Some((SurrealPart::Start(SurrealExpr::Param(name)), rest)) => match name.as_str() {
                "this" | "self" if place.is_at_row() && matches!(rest.first(), Some(SurrealPart::Lookup(_))) => {
                    // Steps from a row that is a list are not the same with and without `$this`.
                    self.walk(Expr::Walk(Box::new(Expr::Row), [].into()), rest, place)
                }
                "this" | "self" => self.path(rest, place),
                "parent" if matches!(place.parent(), Parent::Around) => {
                    let plain = rest.iter().take_while(|part| is_plain(part)).count();
                    let (plain, rest) = rest.split_at(plain);
                    let start = self.resolver.parent(plain)?;
                    self.walk(start, rest, place)
                }
                name => {
                    let start = self.parameter(name, place)?;
                    self.walk(start, rest, place)
                }
            },
            Some((SurrealPart::Start(start), rest)) => {
                let start = self.expr(start, place)?;
                self.walk(start, rest, place)
            }
            _ => self.path(parts, place),
        }
    }

    /// A path that starts at what paths start from.
    fn path(&mut self, parts: &[SurrealPart], place: Place) -> Result<Expr, Refusal> {
        if !place.is_at_row() {
            return self.walk(place.current(), parts, place);
        }
        if place.is_inside_closure() {
            return self.walk(Expr::Row, parts, place);
        }
        let Some((SurrealPart::Field(first), rest)) = parts.split_first() else {
            return self.walk(Expr::Row, parts, place);
        };
        let steps: Option<Vec<PathStep>> = rest.iter().map(plain_step).collect();
        match steps {
            Some(steps) => Ok(Expr::Path(Path::new(first.as_str(), steps))),
            None => self.walk(Expr::Path(Path::field(first.as_str())), rest, place),
        }
    }

    /// A path that starts at a value.
    fn walk(&mut self, start: Expr, parts: &[SurrealPart], place: Place) -> Result<Expr, Refusal> {
        if parts.is_empty() {
            return Ok(start);
        }
        folded(Expr::Walk(Box::new(start), self.parts(parts, place)?), Construct::PathFromValue)
    }

    fn parts(&mut self, parts: &[SurrealPart], place: Place) -> Result<Box<[Part]>, Refusal> {
        if place.is_inside_closure() {
            return self.parts_of_closure(parts, place);
        }
        let mut lowered = Vec::with_capacity(parts.len());
        let mut rest = parts;
        while let Some((part, behind)) = rest.split_first() {
            rest = behind;
            if !matches!(part, SurrealPart::Lookup(_)) {
                lowered.push(self.part(part, place)?);
                continue;
            }
            let mut lookups = Vec::new();
            for part in std::iter::once(part).chain(behind) {
                let SurrealPart::Lookup(lookup) = part else { break };
                lookups.push(&**lookup);
            }
            rest = &rest[lookups.len() - 1..];
            lowered.push(self.graph(&lookups, place)?);
            if matches!(rest.first(), Some(SurrealPart::Where(_))) {
                lowered.push(Part::Flatten);
            }
        }
        Ok(lowered.into())
    }

    /// SurrealDB evaluates closures with another executor, which walks paths in another way. Both ways are the same for
    /// fields with a method behind them, and for a single index.
    fn parts_of_closure(&mut self, parts: &[SurrealPart], place: Place) -> Result<Box<[Part]>, Refusal> {
        let mut lowered = Vec::with_capacity(parts.len());
        for (number, part) in parts.iter().enumerate() {
            let is_last = number + 1 == parts.len();
            lowered.push(match part {
                SurrealPart::Field(name) => Part::ItemField(name.as_str().into()),
                SurrealPart::Method(name, arguments) if is_last => self.method(name, arguments, place)?,
                index @ SurrealPart::Value(SurrealExpr::Literal(Literal::Integer(_))) if parts.len() == 1 => {
                    self.part(index, place)?
                }
                _ => return Err(Refusal::construct(Construct::Closure)),
            });
        }
        Ok(lowered.into())
    }

    fn part(&mut self, part: &SurrealPart, place: Place) -> Result<Part, Refusal> {
        Ok(match part {
            SurrealPart::Field(name) => Part::Field(name.as_str().into()),
            SurrealPart::Value(index) => Part::Index(self.expr(index, place.within_index())?),
            SurrealPart::All => Part::All,
            SurrealPart::Flatten => Part::Flatten,
            SurrealPart::First => Part::First,
            SurrealPart::Last => Part::Last,
            SurrealPart::Where(condition) => Part::Where(self.expr(condition, place.within_filter())?),
            SurrealPart::Destructure(picks) => Part::Destructure(self.picks(picks, place)?),
            SurrealPart::Optional => Part::Optional,
            SurrealPart::Method(name, arguments) => self.method(name, arguments, place)?,
            // Outside of recursion, `@` is the id of the record.
            SurrealPart::Doc => Part::Field("id".into()),
            other => return Err(Refusal::construct(Construct::of_part(other))),
        })
    }

    fn picks(&mut self, picks: &[DestructurePart], place: Place) -> Result<Box<[Pick]>, Refusal> {
        picks.iter().map(|pick| self.pick(pick, place)).collect()
    }

    fn pick(&mut self, pick: &DestructurePart, place: Place) -> Result<Pick, Refusal> {
        Ok(match pick {
            DestructurePart::Field(name) => Pick::Field(name.as_str().into()),
            DestructurePart::All(name) => Pick::All(name.as_str().into()),
            DestructurePart::Aliased(name, idiom) => {
                let place = place.within_value();
                let name: Arc<str> = name.as_str().into();
                match idiom.0.split_first() {
                    Some((SurrealPart::Start(start), rest)) => {
                        Pick::Path(name, self.expr(start, place)?, self.parts(rest, place)?)
                    }
                    _ => Pick::Path(name, place.current(), self.parts(&idiom.0, place)?),
                }
            }
            DestructurePart::Destructure(name, picks) => Pick::Nested(name.as_str().into(), self.picks(picks, place)?),
        })
    }
}

/// A part that the fast form of a path can have.
fn plain_step(part: &SurrealPart) -> Option<PathStep> {
    match part {
        SurrealPart::Field(name) => Some(PathStep::Field(name.as_str().into())),
        SurrealPart::Last => Some(PathStep::Last),
        SurrealPart::Value(SurrealExpr::Literal(Literal::Integer(index))) => {
            usize::try_from(*index).ok().map(PathStep::Index)
        }
        _ => None,
    }
}

fn is_plain(part: &SurrealPart) -> bool {
    plain_step(part).is_some() || *part == SurrealPart::All
}
