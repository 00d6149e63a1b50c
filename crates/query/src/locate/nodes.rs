//! What an expression is made of, in the order of the text.

use std::ops::Bound;

use surrealdb_ast::{
    Destructure, DestructureOperator, Expr, Fields, IdiomExpr, IdiomOperator, ListSelector, Lookup, NodeId, NodeListId,
    OrderBy, PostfixOperator, RecordIdKey, Select,
};

use super::Locator;

impl Locator<'_> {
    /// The expressions directly inside of another one. The steps of a path are its own: see [`Locator::steps_of`].
    /// Inside of a statement other than IF, RETURN and SELECT nothing is found.
    pub(super) fn children_of(&self, expr: &Expr) -> Vec<NodeId<Expr>> {
        let mut found = Vec::new();
        match expr {
            Expr::Covered(inner) => found.push(*inner),
            Expr::Array(array) => self.extend(&mut found, self.ast[*array].entries),
            Expr::Set(set) => self.extend(&mut found, self.ast[*set].entries),
            Expr::Block(block) => self.extend(&mut found, self.ast[*block].exprs),
            Expr::Closure(closure) => found.push(self.ast[*closure].body),
            Expr::Object(object) => {
                let entries = self.ast.iter_list(self.ast[*object].entries);
                found.extend(entries.map(|entry| self.ast[entry].value));
            }
            Expr::RecordId(id) => self.in_key(&self.ast[self.ast[*id].key], &mut found),
            Expr::Binary(binary) => found.extend([self.ast[*binary].left, self.ast[*binary].right]),
            Expr::Postfix(postfix) => {
                let postfix = &self.ast[*postfix];
                found.push(postfix.left);
                match &postfix.op.value {
                    PostfixOperator::MethodCall { arguments, .. } | PostfixOperator::Call(arguments) => {
                        self.extend(&mut found, *arguments);
                    }
                    PostfixOperator::Range | PostfixOperator::RangeSkip => {}
                }
            }
            Expr::Prefix(prefix) => found.push(self.ast[*prefix].right),
            Expr::Idiom(idiom) => {
                let steps = self.steps_of(*idiom);
                found.push(self.start_of(*idiom));
                steps.iter().rev().for_each(|step| self.in_step(&self.ast[*step], &mut found));
            }
            Expr::If(branch) => {
                let branch = &self.ast[*branch];
                found.extend([branch.condition, branch.then]);
                found.extend(branch.otherwise);
            }
            Expr::Let(statement) => found.push(self.ast[*statement].expr),
            Expr::Return(statement) => found.push(self.ast[*statement].expr),
            Expr::Select(select) => found = self.expressions_of(&self.ast[*select]),
            _ => {}
        }
        found
    }

    /// All expressions of a SELECT statement.
    pub(super) fn expressions_of(&self, select: &Select) -> Vec<NodeId<Expr>> {
        let mut found = self.fields_of(&self.ast[select.fields]);
        self.extend(&mut found, select.omit);
        self.extend(&mut found, Some(select.from));
        found.extend(select.condition);
        self.extend(&mut found, select.split);
        if let Some(OrderBy::List(keys)) = &select.order {
            found.extend(self.ast.iter_list(Some(*keys)).map(|key| self.ast[key].expr));
        }
        found.extend(select.limit.into_iter().chain(select.start));
        self.extend(&mut found, select.fetch);
        found
    }

    fn fields_of(&self, fields: &Fields) -> Vec<NodeId<Expr>> {
        match fields {
            Fields::Value(selector) => vec![self.ast[*selector].expr],
            Fields::List(fields) => {
                let fields = self.ast.iter_list(Some(*fields));
                fields
                    .filter_map(|field| match &self.ast[field] {
                        ListSelector::All(_) => None,
                        ListSelector::Selector(selector) => Some(selector.expr),
                    })
                    .collect()
            }
        }
    }

    fn in_key(&self, key: &RecordIdKey, found: &mut Vec<NodeId<Expr>>) {
        match key {
            RecordIdKey::Array(array) => self.extend(found, self.ast[*array].entries),
            RecordIdKey::Object(object) => {
                let entries = self.ast.iter_list(self.ast[*object].entries);
                found.extend(entries.map(|entry| self.ast[entry].value));
            }
            RecordIdKey::Range(range) => {
                for bound in [&self.ast[*range].start, &self.ast[*range].end] {
                    if let Bound::Included(key) | Bound::Excluded(key) = bound {
                        // A range has no ranges for its ends.
                        self.in_key(&self.ast[*key], found);
                    }
                }
            }
            RecordIdKey::String(_) | RecordIdKey::Number(_) | RecordIdKey::Uuid(_) | RecordIdKey::Generate(_) => {}
        }
    }

    fn in_step(&self, step: &IdiomExpr, found: &mut Vec<NodeId<Expr>>) {
        match &step.op.value {
            IdiomOperator::Index(inner) | IdiomOperator::Where(inner) => found.push(*inner),
            IdiomOperator::Call(arguments) => self.extend(found, *arguments),
            IdiomOperator::Destructure(fields) => self.in_destructuring(*fields, found),
            IdiomOperator::Graph { lookup, .. } | IdiomOperator::Reference(lookup) => {
                self.in_lookup(&self.ast[*lookup], found);
            }
            IdiomOperator::Recurse(recurse) => found.push(self.ast[*recurse].expr),
            IdiomOperator::All
            | IdiomOperator::Last
            | IdiomOperator::Flatten
            | IdiomOperator::Field(_)
            | IdiomOperator::Option
            | IdiomOperator::Repeat => {}
        }
    }

    fn in_destructuring(&self, fields: Option<NodeListId<Destructure>>, found: &mut Vec<NodeId<Expr>>) {
        for field in self.ast.iter_list(fields) {
            match self.ast[field].op.as_ref().map(|operator| &operator.value) {
                Some(DestructureOperator::Expr(expr)) => found.push(*expr),
                Some(DestructureOperator::Destructure(fields)) => self.in_destructuring(*fields, found),
                Some(DestructureOperator::All) | None => {}
            }
        }
    }

    fn in_lookup(&self, lookup: &Lookup, found: &mut Vec<NodeId<Expr>>) {
        match lookup {
            Lookup::Any(_) | Lookup::Subject(_) => {}
            Lookup::Basic(lookup) => {
                found.extend(lookup.condition);
                found.extend(lookup.limit.into_iter().chain(lookup.start));
            }
            Lookup::Select(lookup) => {
                found.append(&mut self.fields_of(&self.ast[lookup.fields]));
                found.extend(lookup.condition);
                found.extend(lookup.limit.into_iter().chain(lookup.start));
            }
        }
    }

    fn extend(&self, found: &mut Vec<NodeId<Expr>>, list: Option<NodeListId<Expr>>) {
        found.extend(self.ast.iter_list(list));
    }

    /// The steps of a path from the last one to the first. Paths may be of any length, so nothing here recurses into
    /// them.
    pub(super) fn steps_of(&self, last: NodeId<IdiomExpr>) -> Vec<NodeId<IdiomExpr>> {
        let before = |step: &NodeId<IdiomExpr>| match self.ast[self.ast[*step].left] {
            Expr::Idiom(before) => Some(before),
            _ => None,
        };
        std::iter::successors(Some(last), before).collect()
    }

    /// What the first step of a path is applied to.
    pub(super) fn start_of(&self, last: NodeId<IdiomExpr>) -> NodeId<Expr> {
        let mut start = self.ast[last].left;
        while let Expr::Idiom(step) = self.ast[start] {
            start = self.ast[step].left;
        }
        start
    }
}
