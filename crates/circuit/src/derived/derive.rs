//! Operators at work: acquiring them, feeding them, and writing the rows that they derive.

use crate::circuit::Circuit;
use crate::collection::shrink::Shrink;
use crate::dependent::dependencies::Dependent;
use crate::dependent::read::{Aspect, Read};
use crate::dependent::virtual_column::{Definition, VirtualColumn};
use crate::derived::input_orders::InputOrders;
use crate::derived::operator::{Derived, Operator, OperatorKey, RelationKey};
use crate::plan::{OrderKey, Plan, Shape};
use crate::registration::register::Outer;
use crate::step::changes::Content;
use crate::step::consumer::Target;
use crate::step::progress::Progress;
use crate::store::table::{Row, Table, TableId, Virtuals};
use crate::value::digest::ResultId;
use crate::value::{Value, identity};

impl Circuit {
    /// The operator that derives rows from plans, which is made and filled if it is new. O(rows of the inputs).
    pub(crate) fn acquire_operator(
        &mut self,
        shape: &Shape,
        inputs: &[Plan],
        rank: u32,
        outer: &Outer,
        reads: &mut Vec<Read>,
        lookups: &mut Vec<ResultId>,
    ) -> u32 {
        let mut results = Vec::with_capacity(inputs.len());
        for input in inputs {
            let instance = self.instantiate(input, outer, reads);
            lookups.extend(instance.lookups);
            results.push((instance.result, input.output.clone()));
        }
        let key = OperatorKey { shape: shape.clone(), inputs: results };
        if let Some(number) = self.by_operator.get(&key).copied() {
            // The operator reads its inputs already.
            key.inputs.into_iter().for_each(|(result, _)| self.release_result(result));
            if let Some(operator) = self.operators.get_mut(number) {
                operator.readers += 1;
            }
            return number;
        }
        self.add_operator(key, rank)
    }

    fn add_operator(&mut self, key: OperatorKey, rank: u32) -> u32 {
        let order_of = |result: ResultId| self.result(result).map(|(state, ..)| &state.wiring.order[..]);
        let orders = InputOrders::of(key.inputs.iter().map(|(result, _)| order_of(*result).unwrap_or_default()));
        let order = natural_order(&key.shape, &orders.joined);
        let relation_key = RelationKey { shape: key.shape.clone(), order, rank };
        let relation = match self.relations.get_mut(&relation_key) {
            Some((relation, operators)) => {
                *operators += 1;
                *relation
            }
            None => {
                let relation = self.store.add_derived();
                if let Some(table) = self.store.get_mut(relation) {
                    let given = crate::derived::operator::FIRST_KEY_COLUMN as usize + relation_key.order.len();
                    for _ in 0..given {
                        table.virtual_columns.insert(VirtualColumn::new(Definition::Given, rank));
                    }
                }
                self.relations.insert(relation_key.clone(), (relation, 1));
                relation
            }
        };
        let operator = Operator::new(key.clone(), relation_key, relation, orders);
        let number = self.operators.insert(operator);
        self.by_operator.insert(key.clone(), number);
        for (input, (result, output)) in key.inputs.iter().enumerate() {
            let target = Target::Operator { operator: number, input: input as u32 };
            let consumer = self.add_consumer(*result, output.clone(), target);
            if let Some(operator) = self.operators.get_mut(number) {
                operator.consumers.push(consumer);
            }
            self.fill_consumer(consumer);
        }
        let first = self.operators.get(number).and_then(|operator| operator.begin(number));
        self.derive(number, first.into_iter().collect(), &mut Progress::filling());
        self.finish_operator(number, &mut Progress::filling());
        number
    }

    /// Counts one reader less of an operator, and removes it and its rows with the last. O(its rows).
    pub(crate) fn release_operator(&mut self, number: u32) {
        let Some(operator) = self.operators.get_mut(number) else { return };
        operator.readers -= 1;
        if operator.readers > 0 {
            return;
        }
        let Some(operator) = self.operators.remove(number) else { return };
        self.by_operator.remove(&operator.key);
        self.by_operator.shrink();
        let relation = operator.relation;
        operator.owners().into_iter().for_each(|owner| self.dependencies.remove(owner));
        for row in operator.rows() {
            self.forget_derived(relation, row);
        }
        self.vacated.push(relation);
        if let Some((_, operators)) = self.relations.get_mut(&operator.relation_key) {
            *operators -= 1;
            if *operators == 0 {
                self.relations.remove(&operator.relation_key);
                self.relations.shrink();
                self.store.remove_derived(relation);
            }
        }
        operator.consumers.iter().for_each(|consumer| self.remove_consumer(*consumer));
    }

    /// Removes a derived row that no binding looks at any more.
    fn forget_derived(&mut self, relation: u32, row: u32) {
        self.unarrange(relation, row);
        let Some(table) = self.store.get_mut(relation) else { return };
        table.remove(row);
        let columns: Vec<u32> = table.virtual_columns.iter().map(|(number, _)| number).collect();
        for column in columns {
            // The row is gone, so this gives back what its values held.
            self.compute_virtual(relation, column, row);
        }
    }

    /// Looks again at items that link to records which have changed.
    pub(crate) fn renew_items(&mut self, items: &[(u32, u32)], progress: &mut Progress) {
        for (number, item) in items {
            let Some(operator) = self.operators.get_mut(*number) else { continue };
            let derived = operator.renew(*number, *item, &self.store);
            self.derive(*number, derived, progress);
        }
    }

    /// Writes the changes of groups, once all rows of a stage are taken in.
    pub(crate) fn finish_operator(&mut self, number: u32, progress: &mut Progress) {
        let library = self.library.clone();
        let Some(operator) = self.operators.get_mut(number) else { return };
        let derived = operator.finish(number, &*library, &mut self.work);
        self.derive(number, derived, progress);
    }

    /// Writes derived rows.
    pub(crate) fn derive(&mut self, number: u32, derived: Vec<Derived>, progress: &mut Progress) {
        let Some(relation) = self.operators.get(number).map(|operator| operator.relation) else { return };
        for change in derived {
            match change {
                Derived::Remove { row } => {
                    self.work.rows_derived += 1;
                    let Some(table) = self.store.get_mut(relation) else { return };
                    remove(table, relation, row, progress);
                }
                Derived::Place { row, given } => {
                    let Some(table) = self.store.get_mut(relation) else { return };
                    progress.note(relation, row, Content::Same, table.virtuals_of(row));
                    for (column, value) in given.into_iter().enumerate() {
                        table.set_virtual(row, column as u32, value);
                    }
                }
                Derived::Watch { item, id } => {
                    let dependent = Dependent::Item { operator: number, item };
                    let owner =
                        self.dependencies.renew(None, dependent, vec![Read::new(&id, Aspect::WHOLE)], Vec::new());
                    if let Some(operator) = self.operators.get_mut(number) {
                        operator.remember_owner(item, owner);
                    }
                }
                Derived::Forget { owner } => self.dependencies.remove(owner),
                Derived::Put { row, content, id, version, given, slot } => {
                    let Some(table) = self.store.get_mut(relation) else { return };
                    // A group that comes to show its key in another form, `2.0` instead of `2`, is another row.
                    let kept = row.filter(|row| table.row(*row).is_some_and(|known| known.id.is_same_record(&id)));
                    if let (Some(row), None) = (row, kept) {
                        remove(table, relation, row, progress);
                    }
                    let fresh = Row { id, version, content };
                    if kept.is_some_and(|row| is_as_before(table, row, &fresh, &given)) {
                        continue;
                    }
                    self.work.rows_derived += 1;
                    let number_of_row = match kept {
                        Some(row) => {
                            let virtuals = table.virtuals_of(row).to_vec();
                            if let Some(former) = table.replace(row, fresh) {
                                progress.note(relation, row, Content::Was(former), &virtuals);
                            }
                            row
                        }
                        None => {
                            let row = table.insert_unkeyed(fresh);
                            progress.note(relation, row, Content::Absent, &[]);
                            row
                        }
                    };
                    for (column, value) in given.into_iter().enumerate() {
                        table.set_virtual(number_of_row, column as u32, value);
                    }
                    if let Some(operator) = self.operators.get_mut(number) {
                        operator.remember(slot, number_of_row);
                    }
                    if progress.is_filling {
                        self.arrive(relation, number_of_row);
                    }
                }
            }
        }
    }
}

/// How the rows that an operator derives are ordered, behind the number of the input.
fn natural_order(shape: &Shape, joined: &[OrderKey]) -> Vec<OrderKey> {
    let first = crate::derived::operator::FIRST_KEY_COLUMN as u16;
    match shape {
        Shape::Group(grouping) => (0..grouping.keys).map(|number| OrderKey::new(first + number, false)).collect(),
        Shape::Once => Vec::new(),
        Shape::Items { .. } => vec![OrderKey::new(first, false)],
        Shape::Rows | Shape::Split(_) => {
            (first..).zip(joined).map(|(column, key)| OrderKey { column, ..*key }).collect()
        }
    }
}

/// Whether a derived row is the same as it is.
fn is_as_before(table: &Table, row: u32, fresh: &Row, given: &Virtuals) -> bool {
    let is_same_row = table.row(row).is_some_and(|known| {
        known.version == fresh.version && identity::are_identical_objects(&known.content, &fresh.content)
    });
    let is_same = |known: &Option<Value>, given: &Option<Value>| match (known, given) {
        (Some(known), Some(given)) => identity::are_identical(known, given),
        (known, given) => known.is_none() && given.is_none(),
    };
    is_same_row && table.virtuals_of(row).iter().zip(given).all(|(known, given)| is_same(known, given))
}

/// Removes a derived row.
fn remove(table: &mut Table, relation: TableId, row: u32, progress: &mut Progress) {
    let virtuals = table.virtuals_of(row).to_vec();
    if let Some(former) = table.remove(row) {
        progress.note(relation, row, Content::Was(former), &virtuals);
    }
}
