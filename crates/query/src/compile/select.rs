//! One SELECT, clause by clause, in the order in which SurrealDB carries them out: source, WHERE, SPLIT, GROUP, ORDER,
//! LIMIT and START, projection, FETCH, ONLY.

use std::sync::Arc;

use circuit::{Expr, Fields, Only, Output, Plan, Policy, Shape, Source, Window};
use surrealdb_expr::expr::order::{Order, Ordering};
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::{Expr as SurrealExpr, Fields as SurrealFields, Literal, With};

use super::builder::Builder;
use super::permission::Readable;
use super::projection::{Projection, Selected};
use super::scope::{Context, Standing, is_correlated};
use super::source::{From, Rows, Sources};
use super::{answer, count, group, key, order, window};
use crate::functions;
use crate::refusal::{Anchor, Clause, Refusal};

/// The plan of a SELECT.
pub(super) fn compile(select: &SelectStatement, context: &Context, standing: Standing) -> Result<Plan, Refusal> {
    Select { select, context, standing }.compile().map_err(|refusal| context.within(select, refusal))
}

struct Select<'s, 'c, 'a> {
    select: &'s SelectStatement,
    context: &'c Context<'a>,
    standing: Standing,
}

impl Select<'_, '_, '_> {
    fn compile(&self) -> Result<Plan, Refusal> {
        self.context.count_select()?;
        self.refuse_clauses()?;
        let sources = Sources::compile(self.select, self.context, self.standing)?;
        self.context.among_rows(sources.rows(), || self.over(&sources))
    }

    /// The plan over its sources.
    fn over(&self, sources: &Sources) -> Result<Plan, Refusal> {
        let mut rows = sources.rows();
        let mut builder = self.filtered(sources)?;
        let window = window::window(self.select, self.context, self.standing)?;
        if self.select.split.is_some() {
            builder = self.split(builder, sources, window)?;
        }
        let only = match (self.select.only, sources.is_list) {
            (false, _) => Only::No,
            (true, false) => Only::OneOrNone,
            (true, true) => Only::One,
        };
        let mut output = Output {
            fields: Fields::All,
            omit: answer::omit(self.select)?,
            fetch: answer::fetch(self.select, self.context, self.standing)?,
            only,
            ..Output::default()
        };
        if self.select.group.is_some() {
            if let ([source], true) = (sources.list.as_slice(), count::is_plain_count(self.select))
                && source.table().is_some_and(|table| self.context.denies(table))
            {
                // Where no record is looked at, there is no group either.
                return Ok(builder.finish(output));
            }
            return self.grouped(builder, sources, window, output);
        }
        let projection = Projection::compile(&self.select.fields, self.context, self.standing)?;
        self.refuse_omitted_parent(&projection)?;
        let is_fast = self.is_fast(sources);
        let computed = match &self.select.order {
            Some(ordering) => order::stored(
                &mut builder,
                ordering,
                &self.select.fields,
                rows,
                self.is_read_by_id(sources),
                self.context,
            )?,
            None => Vec::new(),
        };
        let is_projected_fast = is_fast && !projection.is_slow();
        order::refuse_hidden_fields(
            &computed,
            self.select.order.as_ref(),
            &self.select.fields,
            &projection,
            is_projected_fast,
            !self.select.omit.is_empty(),
        )?;
        if rows != Rows::Objects {
            order::refuse_changed_values(&computed, self.select.order.as_ref(), &projection, is_projected_fast)?;
        }
        builder.set_window(window);
        if rows == Rows::Links && computed.is_empty() {
            if projection.picks_fields(is_fast) {
                builder = self.records_of_links(builder)?;
                rows = Rows::Values;
            } else if projection.all && !is_projected_fast {
                builder = self.links_to_records(builder)?;
            }
        }
        output.fields = projection.place(&mut builder, is_fast, &computed, rows)?;
        if rows != Rows::Objects || !output.fetch.is_empty() {
            output.policy = self.policy(&mut builder)?;
        }
        Ok(builder.finish(output))
    }

    /// Beside `VALUE`, what is omitted is gone before the value is computed, and not there in the `$parent` of a subquery.
    fn refuse_omitted_parent(&self, projection: &Projection) -> Result<(), Refusal> {
        let reads_row = |field: &Selected| field.lowered.subqueries.iter().any(is_correlated);
        if projection.is_value && !self.select.omit.is_empty() && projection.fields.iter().any(reads_row) {
            let what = "OMIT beside VALUE with a subquery that reads the row";
            return Err(Refusal::new(what, "is not supported", Anchor::Clause(Clause::Omit)));
        }
        Ok(())
    }

    fn refuse_clauses(&self) -> Result<(), Refusal> {
        let select = self.select;
        let is_none = |expr: &SurrealExpr| matches!(expr, SurrealExpr::Literal(Literal::None));
        let refused = [
            // `WITH NOINDEX` changes nothing in the answer.
            (matches!(select.with, Some(With::Index(_))), Clause::With),
            (matches!(select.order, Some(Ordering::Random)), Clause::Order),
            (!is_none(&select.version), Clause::Version),
            (!is_none(&select.timeout), Clause::Timeout),
            (select.for_update, Clause::ForUpdate),
            (select.explain.is_some(), Clause::Explain),
        ];
        match refused.into_iter().find(|(is_present, _)| *is_present) {
            Some((_, clause)) => Err(Refusal::clause(clause)),
            None => Ok(()),
        }
    }

    /// The rows of all sources that satisfy the condition. Of several sources each is filtered by itself, so that a
    /// change of one costs nothing in the others.
    fn filtered(&self, sources: &Sources) -> Result<Builder, Refusal> {
        if let [source] = sources.list.as_slice() {
            return self.filtered_source(source);
        }
        let mut inputs = Vec::with_capacity(sources.list.len());
        for source in &sources.list {
            inputs.push(self.filtered_source(source)?.finish(Output::default()));
        }
        Ok(Builder::new(self.standing, Source::Derived(Shape::Rows), inputs))
    }

    fn filtered_source(&self, source: &From) -> Result<Builder, Refusal> {
        let mut readable = source.readable(self.context, self.standing)?;
        let Some(condition) = &self.select.cond else { return Ok(readable.finish()) };
        let lowered = self.context.lower(&condition.0, self.standing)?;
        if readable.changes(&lowered) {
            readable = Readable::Open(readable.finish());
        }
        let builder = readable.builder();
        let filter = builder.condition(&lowered)?;
        builder.require(filter);
        if let From::Table(table) = source
            && let Some(id) = key::looked_up(&condition.0, table, self.context, self.standing)?
            && key::has_numbers(&id.key)
        {
            key::refuse_signed_zero(&id, &Anchor::Clause(Clause::From))?;
            builder.require_same(&id)?;
        }
        Ok(readable.finish())
    }

    fn split(&self, mut builder: Builder, sources: &Sources, window: Option<Window>) -> Result<Builder, Refusal> {
        let mut paths = Vec::new();
        for (number, split) in self.select.split.iter().flat_map(|splits| &splits.0).enumerate() {
            let names = split.0.0.iter().map(|part| match part {
                Part::Field(name) => Ok(Arc::from(name.as_str())),
                _ => {
                    let what = "anything but names in SPLIT";
                    Err(Refusal::new(what, "is not supported", Anchor::SplitKey(number)))
                }
            });
            paths.push(names.collect::<Result<Vec<Arc<str>>, Refusal>>()?);
        }
        if sources.rows() != Rows::Objects {
            let what = "SPLIT of rows that are no objects";
            return Err(Refusal::new(what, "is not supported", Anchor::Clause(Clause::Split)));
        }
        if let (Some(window), [From::Table(_)]) = (window, sources.list.as_slice())
            && window.limit.is_some()
            && self.select.group.is_none()
        {
            self.refuse_split_by_index(&paths, window)?;
            if window.start > 0 {
                self.read_no_more(&mut builder, window)?;
            }
        }
        let input = builder.finish(Output::default());
        Ok(Builder::new(self.standing, Source::Derived(Shape::Split(paths)), vec![input]))
    }

    /// Refuses what an index of the database would change: where one has the order that is asked for, SurrealDB reads no more
    /// rows than `LIMIT` says, and splits, orders and skips afterwards.
    fn refuse_split_by_index(&self, paths: &[Vec<Arc<str>>], window: Window) -> Result<(), Refusal> {
        let Some(Ordering::Order(keys)) = &self.select.order else { return Ok(()) };
        let reason = "is not supported, as SurrealDB answers it otherwise where an index has this order";
        let is_by_id = keys.0.first().is_some_and(|key| key.value.is_id());
        if window.start > 0 && (!is_by_id || self.select.cond.is_some()) {
            return Err(Refusal::new("START of ordered rows that are split", reason, Anchor::Clause(Clause::Start)));
        }
        let is_split = |key: &Order| match key.value.0.first() {
            Some(Part::Field(name)) => {
                paths.iter().any(|path| path.first().is_some_and(|first| **first == *name.as_str()))
            }
            _ => false,
        };
        match keys.0.iter().position(is_split) {
            Some(number) if !is_by_id => {
                Err(Refusal::new("LIMIT of rows that are ordered by what is split", reason, Anchor::OrderKey(number)))
            }
            _ => Ok(()),
        }
    }

    /// In the order in which SurrealDB reads a table, it reads no more rows than `LIMIT` says, and takes `START` from what
    /// these are split into.
    fn read_no_more(&self, builder: &mut Builder, window: Window) -> Result<(), Refusal> {
        let key = match &self.select.order {
            None => None,
            Some(Ordering::Order(keys)) => match keys.0.as_slice() {
                [key] if key.value.is_id() && !key.collate && !key.numeric => Some(key),
                _ => return Ok(()),
            },
            Some(Ordering::Random) => return Ok(()),
        };
        if key.is_some_and(|key| !key.direction) {
            builder.read_backwards()?;
        }
        builder.set_window(Some(Window { start: 0, ..window }));
        Ok(())
    }

    fn grouped(
        &self,
        input: Builder,
        sources: &Sources,
        window: Option<Window>,
        output: Output,
    ) -> Result<Plan, Refusal> {
        let Some(groups) = &self.select.group else { return Ok(input.finish(output)) };
        if count::is_plain_count(self.select) {
            if sources.is_list {
                let message = "only the records of one table or record can be counted like this";
                return Err(Refusal::invalid(message, Anchor::Source(0)));
            }
            // SurrealDB does not look at the window here.
            return Ok(count::plain_count(input, &self.select.fields)?.finish(output));
        }
        if count::may_be_counted_by_index(self.select) {
            count::refuse_count_by_index(self.select, window)?;
            let mut tables = sources.list.iter().filter_map(From::table);
            if self.select.with.is_none() && tables.any(|table| self.context.is_counted_by_index(table)) {
                let what = "counting the rows of a condition in a table with an index";
                let reason = "is not supported for record users: write WITH NOINDEX";
                return Err(Refusal::new(what, reason, Anchor::Clause(Clause::Group)));
            }
        }
        if groups.0.is_empty() && !window::keeps_the_only_row(window) {
            let reason = "is not supported, as SurrealDB ignores it where there are no rows";
            return Err(Refusal::new("a window without the only row", reason, Anchor::Clause(Clause::Group)));
        }
        let mut builder = group::group(input, groups, &self.select.fields, self.context)?;
        if matches!(self.select.fields, SurrealFields::Value(_)) && !self.select.omit.is_empty() {
            let reason = "is not supported: select fields instead of a VALUE";
            return Err(Refusal::new("OMIT of a grouped VALUE", reason, Anchor::Clause(Clause::Omit)));
        }
        if let Some(ordering) = &self.select.order {
            order::grouped(&mut builder, ordering, self.context)?;
        }
        builder.set_window(window);
        let policy = if output.fetch.is_empty() { None } else { self.policy(&mut builder)? };
        Ok(builder.finish(Output { policy, ..output }))
    }

    /// What may be read of other records where that is no part of an expression.
    fn policy(&self, builder: &mut Builder) -> Result<Option<Arc<Policy>>, Refusal> {
        match self.context.policy_alone()? {
            Some(lowered) => builder.policy(&lowered),
            None => Ok(None),
        }
    }

    /// Whether an order by `id` is the order in which SurrealDB reads the only source.
    fn is_read_by_id(&self, sources: &Sources) -> bool {
        let is_ascending = match &self.select.order {
            Some(Ordering::Order(keys)) => keys.0.first().is_some_and(|key| key.direction),
            _ => false,
        };
        match sources.list.as_slice() {
            [From::Table(_)] => self.select.split.is_none(),
            [From::Range(..)] => self.select.split.is_none() && is_ascending,
            _ => false,
        }
    }

    /// Whether nothing but the fields can keep SurrealDB from its fast way of projecting. It reads a literal record
    /// without any other clause in a way of its own.
    fn is_fast(&self, sources: &Sources) -> bool {
        let select = self.select;
        let is_plain_read = sources.is_one_literal_record
            && select.cond.is_none()
            && select.order.is_none()
            && select.split.is_none()
            && select.fetch.is_none()
            && select.with.is_none();
        !is_plain_read && answer::is_simple_omit(select)
    }

    /// The rows with records in place of links. Those that link to none fall out behind the window.
    fn records_of_links(&self, builder: Builder) -> Result<Builder, Refusal> {
        let mut builder = builder;
        let record = self.context.lowered(self.standing, |_| Ok(functions::row_of_link()))?;
        let record = builder.shown(&record, None)?;
        let input = builder.finish(Output::new(Fields::Value(record)));
        let mut records = Builder::new(self.standing, Source::Derived(Shape::Rows), vec![input]);
        let is_link = records.column(functions::row_is_link()).map(Expr::Column)?;
        records.require(Expr::Not(Box::new(is_link)));
        Ok(records)
    }

    /// The rows without links to no record, which fall out behind the window.
    fn links_to_records(&self, builder: Builder) -> Result<Builder, Refusal> {
        let input = builder.finish(Output::default());
        let mut links = Builder::new(self.standing, Source::Derived(Shape::Rows), vec![input]);
        let is_there = self.context.lowered(self.standing, |_| Ok(functions::row_is_there()))?;
        let is_there = links.column_with_parameters(is_there.expr.clone(), &is_there)?;
        links.require(is_there);
        Ok(links)
    }
}
