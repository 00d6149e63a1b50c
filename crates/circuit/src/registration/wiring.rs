//! Wiring a template to its relation: columns, indexes, and the condition in the form in which it is routed.

use crate::circuit::Circuit;
use crate::collection::shrink::Shrink;
use crate::dependent::virtual_column::Definition;
use crate::derived::operator::OPERATOR_COLUMN;
use crate::expr::path::Step;
use crate::expr::{Expr, Operator};
use crate::plan::{OrderKey, Source, Template};
use crate::registration::register::rank_of;
use crate::store::arrangement::Spec;
use crate::store::table::TableId;
use crate::template::column::Column;
use crate::template::keys::Part;
use crate::template::route::{Access, Member, Membership, Routing, take_memberships};
use crate::template::{TemplateKey, TemplateState, Wiring};

impl Circuit {
    /// The number of a template. A new one gets the arrangements and virtual columns that it needs: O(table) if they
    /// don't exist yet.
    pub(crate) fn template(&mut self, key: TemplateKey, natural_order: &[OrderKey]) -> u32 {
        if let Some(number) = self.by_template.get(&key) {
            return *number;
        }
        let template = key.template.clone();
        let mut columns: Vec<Column> =
            template.columns.iter().map(|column| self.column(key.relation, column, &template)).collect();
        let (mut filter, memberships) = take_memberships(template.filter.as_ref(), &key.live);
        let mut order = template.order.clone();
        if let Some(slot) = key.operator_slot {
            filter = Some(only_of_operator(filter, columns.len(), slot));
            columns.push(Column::Virtual(OPERATOR_COLUMN));
            let natural = [OrderKey::new(crate::derived::operator::INPUT_COLUMN as u16, false)];
            for key in natural.iter().chain(natural_order) {
                order.push(OrderKey { column: columns.len() as u16, ..*key });
                columns.push(Column::Virtual(key.column.into()));
            }
        }
        let routing = Routing::of(filter.as_ref(), &memberships);
        let relation = key.relation;
        let arrangements = match &routing {
            Routing::Indexed(accesses) => {
                accesses.iter().map(|access| self.arrange(relation, spec_of(access, &columns))).collect()
            }
            Routing::Single | Routing::Unindexed => Vec::new(),
        };
        let memberships: Vec<(Membership, u32)> = memberships
            .into_iter()
            .map(|membership| {
                let equal = vec![columns[usize::from(membership.column)].clone()];
                let spec = Spec { equal, member: None, order: None };
                (membership, self.arrange(relation, spec))
            })
            .collect();
        let wiring = Wiring { columns, filter, memberships, order, routing, arrangements };
        let number = self.templates.insert(TemplateState::new(key.clone(), wiring));
        self.by_template.insert(key, number);
        if let Some(relation) = self.store.get_mut(relation) {
            let position = relation.templates.partition_point(|other| *other < number);
            relation.templates.insert(position, number);
        }
        number
    }

    /// A column of a template, as its relation offers it.
    fn column(&mut self, relation: TableId, expr: &Expr, template: &Template) -> Column {
        let may_be_link = template.source.may_have_links_as_rows() && expr.needs_row();
        if expr.is_local() && !may_be_link {
            if let (Source::Table(_), Expr::Path(path)) = (&template.source, expr)
                && let [Step::Field(name)] = path.steps()
            {
                return Column::Field(self.store.share_name(name.clone()));
            }
            return Column::Local(expr.clone());
        }
        let lookups = if expr.has_subquery() { template.lookups.clone() } else { Vec::new() };
        // A column without subqueries is ready as soon as the rows are, which is when those are that their operators give
        // them. Templates of any later stage may share it.
        let given = self.store.get(relation).and_then(|relation| relation.virtual_columns.get(OPERATOR_COLUMN));
        let base = match template.source {
            Source::Table(_) => 0,
            Source::Derived(_) => given.map_or(0, |column| column.rank),
        };
        let needed = lookups.iter().map(|lookup| rank_of(lookup) + 1).max().unwrap_or(0);
        let definition = Definition::Computed { expr: expr.clone(), lookups };
        Column::Virtual(self.acquire_virtual(relation, definition, base.max(needed)))
    }

    /// The number of an arrangement of a relation, which is filled if it is new.
    fn arrange(&mut self, relation: TableId, spec: Spec) -> u32 {
        let Some(table) = self.store.get_mut(relation) else { return u32::MAX };
        let ranks = spec.columns().map(|column| match column {
            Column::Field(_) | Column::Local(_) => 0,
            Column::Virtual(number) => table.virtual_columns.get(*number).map_or(0, |column| column.rank),
        });
        let rank = ranks.max().unwrap_or(0);
        let (number, is_new) = table.arrangements.acquire(spec, rank);
        if is_new {
            let places: Vec<_> = table
                .views()
                .filter_map(|(row, view)| Some((row, table.arrangements.place(number, view, &*self.library)?)))
                .collect();
            places.iter().for_each(|(row, place)| table.arrangements.insert(number, place, *row));
        }
        number
    }

    /// Removes a template whose last binding is gone, and what only it needed.
    pub(crate) fn drop_template(&mut self, number: u32) {
        let Some(state) = self.templates.remove(number) else { return };
        let relation = state.key.relation;
        if let Some(table) = self.store.get_mut(relation) {
            let of_memberships = state.wiring.memberships.iter().map(|(_, arrangement)| arrangement);
            for arrangement in state.wiring.arrangements.iter().chain(of_memberships) {
                table.arrangements.release(*arrangement);
            }
            if let Ok(position) = table.templates.binary_search(&number) {
                table.templates.remove(position);
                table.templates.shrink();
            }
        }
        for column in state.wiring.columns.iter().take(state.key.template.columns.len()) {
            if let Column::Virtual(column) = column {
                self.release_virtual(relation, *column);
            }
        }
        self.by_template.remove(&state.key);
        self.by_template.shrink();
        self.vacated.push(relation);
    }
}

/// A condition that holds for the rows of one operator only.
fn only_of_operator(filter: Option<Expr>, column: usize, slot: u16) -> Expr {
    let own = Expr::binary(Operator::Exact, Expr::Column(column as u16), Expr::Slot(slot));
    match filter {
        Some(filter) => Expr::binary(Operator::And, own, filter),
        None => own,
    }
}

/// The arrangement that serves an access.
fn spec_of(access: &Access, columns: &[Column]) -> Spec {
    let column = |number: u16| columns[usize::from(number)].clone();
    let equal: Vec<Column> = access.equal.iter().map(|(number, _)| column(*number)).collect();
    let order = access.between.map(|between| column(between.column));
    let member = access.member.map(|member| match member {
        Member::Hash { column: number, of_row, .. } => (of_row, column(number)),
        Member::Set { column: number, .. } => (Part::Whole, column(number)),
    });
    match member {
        // A value alone has the same key in either place, so that one arrangement does for both.
        Some((Part::Whole, column)) if equal.is_empty() => Spec { equal: vec![column], member: None, order },
        member => Spec { equal, member, order },
    }
}
