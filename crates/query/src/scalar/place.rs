//! Where an expression stands: what its paths start from.

use circuit::Expr;

use crate::refusal::{Construct, Refusal};

/// What is around an expression, as SurrealDB's executor passes it along while it evaluates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// What a path starts from, and what `$this` is.
    current: Origin,
    /// What a path inside of `[..]` starts from: the row, wherever in a path it stands.
    document: Origin,
    /// What the document is outside of graph steps.
    start: Origin,
    /// What `$parent` is, where that is not the row of the query around.
    parent: Option<Origin>,
    /// The number of locals that are bound around.
    depth: u16,
    is_inside_closure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Row,
    /// The local that was bound when there were this many others.
    Local(u16),
}

/// What `$parent` is.
pub(super) enum Parent {
    Known(Expr),
    /// The row of the query around.
    Around,
    /// A closure may see another one than what is around it.
    Unknown,
}

impl Place {
    /// Directly in a query over rows.
    pub(super) const ROW: Place = Place {
        current: Origin::Row,
        document: Origin::Row,
        start: Origin::Row,
        parent: None,
        depth: 0,
        is_inside_closure: false,
    };

    /// Over a record that is bound before some other values, `depth` values in all.
    pub(super) fn over_record(depth: u16) -> Place {
        let record = Origin::Local(0);
        Place { current: record, document: record, start: record, depth, ..Place::ROW }
    }

    /// Inside of something that binds the value that it looks at.
    pub(super) fn within_value(self) -> Place {
        Place { current: Origin::Local(self.depth), ..self.within_variable() }
    }

    /// Inside of the arguments of a method that is called in a closure: they look at what is around.
    pub(super) fn within_method_of_closure(self) -> Place {
        self.within_variable()
    }

    /// Where one more variable is known.
    pub(super) fn within_variable(self) -> Place {
        Place { depth: self.depth + 1, ..self }
    }

    /// Inside of `[WHERE ..]`.
    pub(super) fn within_filter(self) -> Place {
        Place { parent: Some(self.document), ..self.within_value() }
    }

    /// Inside of the condition of a graph step.
    pub(super) fn within_graph(self) -> Place {
        Place { document: Origin::Local(self.depth), ..self.within_filter() }
    }

    /// Inside of `[..]`.
    pub(super) fn within_index(self) -> Place {
        Place { current: self.document, ..self }
    }

    /// Inside of a closure with this number of parameters. Its paths start at the row, wherever it stands.
    pub(super) fn within_closure(self, parameters: usize) -> Result<Place, Refusal> {
        let too_many = |_| Refusal::construct(Construct::Closure);
        let depth = u16::try_from(parameters).ok().and_then(|parameters| self.depth.checked_add(parameters));
        let depth = depth.ok_or(()).map_err(too_many)?;
        Ok(Place { current: self.document, depth, is_inside_closure: true, ..self })
    }

    pub(super) fn is_at_row(self) -> bool {
        self.current == Origin::Row
    }

    /// Whether the document is a record that a graph step looks at.
    pub(super) fn is_inside_graph(self) -> bool {
        self.document != self.start
    }

    pub(super) fn is_inside_closure(self) -> bool {
        self.is_inside_closure
    }

    /// The number of locals that are bound around.
    pub(super) fn depth(self) -> u16 {
        self.depth
    }

    /// What a path starts from, and what `$this` is.
    pub(super) fn current(self) -> Expr {
        self.origin(self.current)
    }

    pub(super) fn parent(self) -> Parent {
        match self.parent {
            _ if self.is_inside_closure => Parent::Unknown,
            Some(parent) => Parent::Known(self.origin(parent)),
            None => Parent::Around,
        }
    }

    /// The local that was bound when there were `level` others.
    pub(super) fn local(self, level: u16) -> Expr {
        self.origin(Origin::Local(level))
    }

    /// The local that was bound last.
    pub(super) fn innermost(self) -> Expr {
        Expr::Local(0)
    }

    fn origin(self, origin: Origin) -> Expr {
        match origin {
            Origin::Row => Expr::Row,
            Origin::Local(level) => Expr::Local(self.depth - 1 - level),
        }
    }
}
