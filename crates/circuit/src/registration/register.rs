//! From plans to results: templates, bindings, windows and operators, shared wherever they are the same.

use std::sync::Arc;

use crate::circuit::Circuit;
use crate::dependent::read::Read;
use crate::expr::{Expr, Failure, Scope};
use crate::output::{Only, Output};
use crate::plan::{OrderKey, Plan, Slot, Slots, Source};
use crate::registration::hold::Hold;
use crate::step::consumer::{Consumer, Target};
use crate::store::StoreReader;
use crate::store::table::{TableId, shown};
use crate::template::TemplateKey;
use crate::template::route::membership_slots;
use crate::value::digest::ResultId;
use crate::value::{Object, Value};

/// What the computed slots of a plan are evaluated against.
#[derive(Debug, Default)]
pub(crate) struct Outer {
    pub(crate) row: Option<Object>,
    pub(crate) slots: Vec<Option<Value>>,
}

impl Outer {
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope { row: self.row.as_ref().map(shown), slots: &self.slots, ..Scope::default() }
    }
}

/// A plan at work.
#[derive(Debug)]
pub(crate) struct Instance {
    /// The result of the plan, counted as read.
    pub(crate) result: ResultId,
    /// Results that computed slots have read, counted as read: when one changes, the slots have to be computed again.
    pub(crate) lookups: Vec<ResultId>,
}

/// A plan with its slots computed.
pub(crate) struct Ground {
    pub(crate) template: u32,
    pub(crate) slots: Slots,
    pub(crate) holds: Vec<Hold>,
    pub(crate) lookups: Vec<ResultId>,
}

impl Circuit {
    /// Starts to maintain the result of a plan, or counts one more reader of it. The current rows are those of
    /// [`Circuit::rows`], and what the query answers is [`Circuit::answer`].
    ///
    /// Cost: O(result) for a template that is known, and O(table) for the first plan of a template.
    pub fn register(&mut self, plan: &Plan) -> ResultId {
        let result = match self.has_computed_slots(plan) {
            true => self.register_root(plan),
            false => self.instantiate(plan, &Outer::default(), &mut Vec::new()).result,
        };
        if let Some(state) = self.results.get_mut(result.0) {
            state.views += 1;
        }
        result
    }

    /// Counts one reader less of a result, and gives back all that only this result needed with the last. O(size of the
    /// binding); for a window, O(rows of its binding) of memory to free.
    pub fn unregister(&mut self, result: ResultId) {
        if let Some(state) = self.results.get_mut(result.0) {
            state.views = state.views.saturating_sub(1);
        }
        self.release_root(result);
        self.release_result(result);
        self.recycle();
    }

    /// Puts a plan to work in a scope. Notes the records that computed slots read.
    pub(crate) fn instantiate(&mut self, plan: &Plan, outer: &Outer, reads: &mut Vec<Read>) -> Instance {
        let Ground { template, slots, holds, lookups } = self.ground(plan, outer, reads, None);
        let result = self.acquire_result(template, slots, plan.window, holds);
        Instance { result, lookups }
    }

    /// Computes the slots of a plan. `own` makes the slots differ from those of all other plans.
    pub(crate) fn ground(&mut self, plan: &Plan, outer: &Outer, reads: &mut Vec<Read>, own: Option<u32>) -> Ground {
        self.work.plans_started += 1;
        let live = live_slots(plan);
        let mut lookups = Vec::new();
        let mut holds = Vec::new();
        let (slots, relation, order) = self.compute_slots(plan, outer, &live, reads, &mut lookups, &mut holds);
        let template = self.template_over(plan, relation, &order);
        let slots = Slots(slots.into_iter().chain(own.map(|own| Some(Value::Int(own.into())))).collect());
        Ground { template, slots, holds, lookups }
    }

    /// The template of a plan over a relation.
    pub(crate) fn template_over(&mut self, plan: &Plan, relation: TableId, order: &[OrderKey]) -> u32 {
        let key = TemplateKey {
            template: plan.template.clone(),
            relation,
            is_windowed: plan.window.is_some(),
            live: live_slots(plan),
            operator_slot: matches!(plan.template.source, Source::Derived(_)).then_some(plan.slots.len() as u16),
            rank: rank_of(plan),
        };
        self.template(key, order)
    }

    /// The values of all slots, the relation of the template, and the order in which it holds its rows. A slot that
    /// can't be computed has no value.
    fn compute_slots(
        &mut self,
        plan: &Plan,
        outer: &Outer,
        live: &[u16],
        reads: &mut Vec<Read>,
        lookups: &mut Vec<ResultId>,
        holds: &mut Vec<Hold>,
    ) -> (Vec<Option<Value>>, TableId, Vec<OrderKey>) {
        let is_live = |number: usize| {
            plan.slots.iter().enumerate().any(|(slot, source)| {
                live.contains(&(slot as u16)) && *source == Slot::Computed(Expr::Subquery(number as u16))
            })
        };
        let mut answers = Vec::with_capacity(plan.lookups.len());
        for (number, lookup) in plan.lookups.iter().enumerate() {
            if is_live(number) {
                let set = self.acquire_set(lookup, outer, reads, lookups);
                holds.push(Hold::Set(set));
                answers.push(Ok(Value::Int(set.into())));
            } else {
                answers.push(self.answer_lookup(lookup, outer, reads, lookups));
            }
        }
        let mut slots = Vec::with_capacity(plan.slots.len() + 1);
        for slot in &plan.slots {
            slots.push(match slot {
                Slot::Constant(constant) => Some(constant.0.clone()),
                Slot::Computed(expr) => {
                    let mut reader = StoreReader::new(&self.store);
                    let scope = Scope { subqueries: &answers, ..outer.scope() };
                    let value = expr.evaluate(&scope, &mut reader, &*self.library);
                    self.reading.count_records(reader.reads.len());
                    reads.append(&mut reader.reads);
                    value.ok().map(|value| value.into_owned())
                }
            });
        }
        match &plan.template.source {
            Source::Table(name) => (slots, self.store.table_id(name), Vec::new()),
            Source::Derived(shape) => {
                let rank = rank_of_rows(plan);
                let operator = self.acquire_operator(shape, &plan.inputs, rank, outer, reads, lookups);
                holds.push(Hold::Operator(operator));
                slots.push(Some(Value::Int(operator.into())));
                let state = self.operators.get(operator);
                let relation = state.map_or(u32::MAX, |state| state.relation);
                let order = state.map_or_else(Vec::new, |state| state.relation_key.order.clone());
                (slots, relation, order)
            }
        }
    }

    /// The answer of a subquery in a scope. What it holds is appended to `results`.
    pub(crate) fn answer_lookup(
        &mut self,
        lookup: &Plan,
        outer: &Outer,
        reads: &mut Vec<Read>,
        results: &mut Vec<ResultId>,
    ) -> Result<Value, Failure> {
        let instance = self.instantiate(lookup, outer, reads);
        results.push(instance.result);
        results.extend(instance.lookups);
        self.answer_noting(instance.result, &lookup.output, reads)
    }

    /// The live set of a subquery's answers.
    fn acquire_set(&mut self, plan: &Plan, outer: &Outer, reads: &mut Vec<Read>, lookups: &mut Vec<ResultId>) -> u32 {
        let instance = self.instantiate(plan, outer, reads);
        lookups.extend(instance.lookups);
        let key = (instance.result, plan.output.clone());
        if let Some(number) = self.by_set.get(&key).copied() {
            self.release_result(instance.result);
            if let Some(set) = self.sets.get_mut(number) {
                set.readers += 1;
            }
            return number;
        }
        let set = self.sets.insert(u32::MAX);
        let consumer = self.add_consumer(instance.result, plan.output.clone(), Target::Set(set));
        if let Some(state) = self.sets.get_mut(set) {
            state.consumer = consumer;
        }
        self.by_set.insert(key, set);
        self.fill_consumer(consumer);
        self.sets.fill_ended(set);
        set
    }

    /// Attaches a consumer to a result. It takes over one reading of the result.
    pub(crate) fn add_consumer(&mut self, result: ResultId, output: Arc<Output>, target: Target) -> u32 {
        let source = self.result(result).map(|(state, ..)| &state.key.template.source);
        let may_be_link = source.is_some_and(Source::may_have_links_as_rows);
        let is_local = output.is_local() && (!may_be_link || output.is_whole_row());
        let consumer = self.consumers.insert(Consumer::new(result.0, output, target, is_local));
        if let Some(state) = self.results.get_mut(result.0) {
            state.more.get_or_insert_default().consumers.insert(consumer);
        }
        consumer
    }

    /// Detaches a consumer from its result, and gives back its reading.
    pub(crate) fn remove_consumer(&mut self, number: u32) {
        let Some(consumer) = self.consumers.remove(number) else { return };
        if let Some(state) = self.results.get_mut(consumer.result)
            && let Some(more) = &mut state.more
        {
            more.consumers.remove(number);
            if more.consumers.is_empty() && more.window.is_none() {
                state.more = None;
            }
        }
        for owner in consumer.rows.into_values().filter_map(|told| told.owner) {
            self.dependencies.remove(owner);
        }
        self.release_result(ResultId(consumer.result));
    }
}

/// The stage of a step in which a plan's template is worked on: behind everything that it depends on.
pub(crate) fn rank_of(plan: &Plan) -> u32 {
    let template = &plan.template;
    let children = template.children.iter().map(|child| &child.plan);
    let needed = plan.lookups.iter().chain(&plan.inputs).chain(&template.lookups).chain(children);
    needed.map(|plan| rank_of(plan) + 1).max().unwrap_or(0)
}

/// The stage of a step in which the rows of a derived source are complete: behind its inputs, whoever reads them.
fn rank_of_rows(plan: &Plan) -> u32 {
    plan.inputs.iter().map(|input| rank_of(input) + 1).max().unwrap_or(0)
}

/// The slots that are kept as live sets: subqueries that the condition only tests membership of a column in.
fn live_slots(plan: &Plan) -> Vec<u16> {
    let Some(filter) = plan.template.filter.as_ref().filter(|_| !plan.lookups.is_empty()) else {
        return Vec::new();
    };
    let is_list = |slot: &u16| match plan.slots.get(usize::from(*slot)) {
        Some(Slot::Computed(Expr::Subquery(number))) => {
            let users = plan.slots.iter().filter(|slot| reads_lookup(slot, *number)).count();
            plan.lookups.get(usize::from(*number)).is_some_and(|lookup| lookup.output.only == Only::No) && users == 1
        }
        _ => false,
    };
    membership_slots(filter).into_iter().filter(is_list).collect()
}

fn reads_lookup(slot: &Slot, number: u16) -> bool {
    match slot {
        Slot::Computed(expr) => expr.any(&mut |expr| matches!(expr, Expr::Subquery(other) if *other == number)),
        Slot::Constant(_) => false,
    }
}
