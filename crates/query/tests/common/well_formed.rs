//! What must hold of every plan, whatever the query.

use circuit::{Expr, Fields, Plan, Shape, Slot, Source};

/// How many columns, slots and subqueries an expression may name.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    columns: usize,
    slots: usize,
    subqueries: usize,
}

/// Panics if an expression of the plan names a column, a slot or a subquery that does not exist where it is evaluated.
pub fn assert_well_formed(plan: &Plan) {
    check_plan(plan, None);
}

/// `around` is the number of slots of the plan that this one belongs to; none stands for a plan of its own.
fn check_plan(plan: &Plan, around: Option<usize>) {
    let template = &plan.template;
    let own = Bounds { columns: 0, slots: plan.slots.len(), subqueries: 0 };
    for slot in &plan.slots {
        if let Slot::Computed(expr) = slot {
            check(expr, Bounds { slots: around.unwrap_or(0), subqueries: plan.lookups.len(), columns: 0 });
            assert!(around.is_some() || !expr.needs_row(), "a slot of a plan of its own reads a row: {plan:?}");
        }
    }
    for column in &template.columns {
        check(column, Bounds { slots: 0, subqueries: template.lookups.len(), columns: 0 });
    }
    if let Some(filter) = &template.filter {
        check(filter, Bounds { columns: template.columns.len(), ..own });
        let reads_row = filter.any(&mut |expr| matches!(expr, Expr::Row | Expr::Path(_)));
        assert!(!reads_row, "a condition reads the row other than through columns: {filter:?}");
    }
    for key in &template.order {
        assert!(usize::from(key.column) < template.columns.len(), "{plan:?}");
    }
    // Those of permissions look at a record that is bound around them.
    plan.output.expressions(&mut |expr| check_names(expr, Bounds { subqueries: template.children.len(), ..own }));
    plan.lookups.iter().for_each(|lookup| check_plan(lookup, around));
    // Columns don't know the slots.
    template.lookups.iter().for_each(|lookup| check_plan(lookup, Some(0)));
    plan.inputs.iter().for_each(|input| check_plan(input, around));
    template.children.iter().for_each(|child| check_plan(&child.plan, Some(plan.slots.len())));
    match &template.source {
        Source::Table(_) => assert!(plan.inputs.is_empty()),
        Source::Derived(Shape::Rows) => {}
        Source::Derived(Shape::Once) => assert!(plan.inputs.is_empty()),
        Source::Derived(Shape::Items { .. }) => {
            assert_eq!(plan.inputs.len(), 1);
            assert_eq!(plan.inputs[0].template.source, Source::Derived(Shape::Once), "{plan:?}");
        }
        Source::Derived(Shape::Split(paths)) => assert!(!paths.is_empty() && plan.inputs.len() == 1),
        Source::Derived(Shape::Group(grouping)) => {
            let columns = usize::from(grouping.keys) + grouping.aggregates.len();
            assert_eq!(plan.inputs.len(), 1);
            let Fields::Value(Expr::Array(values)) = &plan.inputs[0].output.fields else {
                panic!("the input of a group answers no arrays: {plan:?}");
            };
            assert_eq!(values.len(), columns, "{plan:?}");
            grouping.output.expressions(&mut |expr| check(expr, Bounds { columns, ..Bounds::default() }));
        }
    }
}

fn check(expr: &Expr, bounds: Bounds) {
    check_names(expr, bounds);
    assert!(expr.is_closed(), "{expr:?}");
}

fn check_names(expr: &Expr, bounds: Bounds) {
    let is_bad = |expr: &Expr| match expr {
        Expr::Column(number) => usize::from(*number) >= bounds.columns,
        Expr::Slot(number) => usize::from(*number) >= bounds.slots,
        Expr::Subquery(number) => usize::from(*number) >= bounds.subqueries,
        _ => false,
    };
    assert!(!expr.any(&mut |expr| is_bad(expr)), "{expr:?} outside of {bounds:?}");
}
