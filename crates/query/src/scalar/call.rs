//! Calls of functions and methods, and closures.

use circuit::{Application, Closure, Expr, Part};
use surrealdb_expr::expr::{ClosureExpr, Expr as SurrealExpr, Function as SurrealFunction, FunctionCall};

use super::place::Place;
use super::{Scalar, folded};
use crate::functions::{self, Applying};
use crate::refusal::{Anchor, Construct, Refusal};

impl Scalar<'_> {
    pub(super) fn call(&mut self, whole: &SurrealExpr, call: &FunctionCall, place: Place) -> Result<Expr, Refusal> {
        let SurrealFunction::Normal(name) = &call.receiver else {
            return Err(Refusal::construct(Construct::of(whole)));
        };
        let (name, arguments) = (name.to_lowercase(), call.arguments.as_slice());
        let construct = Construct::Function(name.clone());
        if let Some(applying) = functions::applying(&name)
            && is_applied_to_closure(&applying, arguments)
        {
            let (closure, arguments) = self.closure_and_rest(&name, applying, arguments, 0, place)?;
            return folded(Expr::Apply(applying.application, arguments, Box::new(closure)), construct);
        }
        if functions::reason(&name, arguments.len()).is_some() {
            return Err(Refusal::construct(construct));
        }
        let arguments = self.exprs(arguments, place)?;
        if let Some(expr) = functions::of_records(&name, &arguments) {
            self.resolver.asks_records(&name)?;
            return Ok(expr);
        }
        let Some(native) = functions::native(&name) else {
            return Err(Refusal::construct(construct));
        };
        if let Some(objection) = native.objection(arguments.len()) {
            return Err(Refusal::invalid(objection, Anchor::Construct(construct)));
        }
        folded(Expr::Call(native.function(), arguments), construct)
    }

    /// `.name(..)`. The arguments of a method look at the value that it is called on.
    pub(super) fn method(&mut self, name: &str, arguments: &[SurrealExpr], place: Place) -> Result<Part, Refusal> {
        let inside = if place.is_inside_closure() { place.within_method_of_closure() } else { place.within_value() };
        let receiver = inside.innermost();
        if let Some(applying) = functions::applying_method(name) {
            let applying = Applying { arity: applying.arity - 1, ..applying };
            if is_applied_to_closure(&applying, arguments) {
                let (closure, rest) = self.closure_and_rest(name, applying, arguments, 1, inside)?;
                let mut all = vec![applying.subject.of(receiver)];
                all.append(&mut rest.into_vec());
                return Ok(Part::Then(Expr::Apply(applying.application, all.into(), Box::new(closure))));
            }
        }
        let mut all = vec![receiver];
        all.append(&mut self.exprs(arguments, inside)?.into_vec());
        let full_name = format!("record::{name}");
        if let Some(expr) = functions::of_records(&full_name, &all) {
            self.resolver.asks_records(&full_name)?;
            return Ok(Part::Then(expr));
        }
        match functions::method(name) {
            Some(function) => Ok(Part::Then(Expr::Call(function, all.into()))),
            None => Err(Refusal::construct(Construct::Method(name.to_lowercase()))),
        }
    }

    /// The closure that a function applies, and the other arguments. `given` arguments are not among these.
    fn closure_and_rest(
        &mut self,
        name: &str,
        applying: Applying,
        arguments: &[SurrealExpr],
        given: usize,
        place: Place,
    ) -> Result<(Closure, Box<[Expr]>), Refusal> {
        let construct = || if given == 0 { Construct::Function(name.into()) } else { Construct::Method(name.into()) };
        let is_fine = arguments.len() == applying.arity
            || (applying.application == Application::Expect && arguments.len() == applying.arity + 1);
        let place_of_closure = applying.arity - 1;
        let Some((SurrealExpr::Closure(closure), true)) =
            arguments.get(place_of_closure).map(|closure| (closure, is_fine))
        else {
            let message = format!("{name}() takes {} arguments, the last one a closure", applying.arity);
            return Err(Refusal::invalid(message, Anchor::Construct(construct())));
        };
        let closure = self.closure(closure, place)?;
        let mut rest = self.exprs(&arguments[..place_of_closure], place)?.into_vec();
        if given == 0
            && let Some(first) = rest.first_mut()
        {
            let subject = std::mem::replace(first, Expr::Row);
            *first = folded(applying.subject.of(subject), construct())?;
        }
        Ok((closure, rest.into()))
    }

    fn closure(&mut self, closure: &ClosureExpr, place: Place) -> Result<Closure, Refusal> {
        let known = self.names.len();
        let inside = place.within_closure(closure.args.len())?;
        for (number, (parameter, _)) in closure.args.iter().enumerate() {
            self.names.push((parameter.as_str().to_owned(), place.depth() + number as u16));
        }
        let body = self.answer(&closure.body, inside);
        self.names.truncate(known);
        Ok(Closure {
            parameters: closure.args.iter().map(|(_, kind)| functions::coercion(kind)).collect(),
            body: body?,
            result: closure.returns.as_ref().and_then(functions::coercion),
        })
    }
}

/// Whether these are arguments for a closure: the function takes nothing else, or there is one.
fn is_applied_to_closure(applying: &Applying, arguments: &[SurrealExpr]) -> bool {
    !applying.takes_values || arguments.iter().any(|argument| matches!(argument, SurrealExpr::Closure(_)))
}
