//! Tenants: what one does, whatever it is, the others do not feel.

mod support;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use circuit::{
    Change, Circuit, Fold, Geometry, Key, Library, Operator, Plan, RecordId, ResultId, Slots, TenantError, TenantId,
    TenantLimits, Tenants, Value, Work,
};
use support::*;

/// A library that does not get along with one text.
#[derive(Debug)]
struct Fragile;

impl Library for Fragile {
    fn fold(&self, fold: Fold, values: &mut dyn Iterator<Item = &Value>, extra: &[Value]) -> Value {
        library().fold(fold, values, extra)
    }

    fn regex_matches(&self, _: &str, text: &str) -> bool {
        assert_ne!(text, "boom", "the library can't do that");
        false
    }

    fn geometry_contains(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("no geometries in these tests")
    }

    fn geometry_intersects(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("no geometries in these tests")
    }
}

/// Records have keys `[tenant, number]`.
fn owner(id: &RecordId) -> TenantId {
    match &id.key {
        Key::Array(parts) => match parts.first() {
            Some(Value::String(tenant)) => tenant.clone(),
            _ => "nobody".into(),
        },
        _ => "nobody".into(),
    }
}

fn tenants(quantum: usize, queue: usize) -> Tenants {
    let quantum = NonZeroUsize::new(quantum).expect("not zero");
    Tenants::new(Box::new(owner), Arc::new(Fragile), TenantLimits { quantum, queue })
}

fn change(tenant: &str, number: i64, version: u64, author: &str) -> Change {
    let id = RecordId::new("thread", Key::Array([tenant.into(), number.into()].into()));
    let content = object([("id", id.clone().into()), ("author", author.into())]);
    Change { id, version, content: Some(content) }
}

fn batch(tenant: &str, size: usize) -> Vec<Change> {
    (0..size as i64).map(|number| change(tenant, number, 1, "Ada")).collect()
}

fn by_author(author: impl Into<Value>) -> Plan {
    let filter = binary(Operator::Equal, column(0), slot(0));
    let mut template = template(Some(filter), &[]);
    template.columns = vec![expr("author")];
    Plan::new(template, [author.into()].into_iter().collect(), None)
}

fn everything() -> Plan {
    Plan::new(template(None, &[]), Slots::default(), None)
}

fn id(tenant: &str) -> TenantId {
    tenant.into()
}

fn size_of(tenants: &mut Tenants, tenant: &str, result: ResultId) -> usize {
    tenants.with(&id(tenant), |circuit| circuit.rows(result).len()).expect("the tenant is well")
}

#[test]
fn each_tenant_has_a_circuit_of_its_own() {
    let mut tenants = tenants(10, 100);
    let a = tenants.with(&id("a"), |circuit| circuit.register(&everything())).unwrap();
    let b = tenants.with(&id("b"), |circuit| circuit.register(&everything())).unwrap();
    assert!(tenants.ingest([batch("a", 3), batch("b", 1), batch("c", 2)].concat()).is_empty());
    assert_eq!(["a", "b", "c", "d"].map(|tenant| tenants.waiting(&id(tenant))), [3, 1, 2, 0]);
    let steps = tenants.run(usize::MAX);
    let told: Vec<_> = steps.iter().map(|step| (&*step.tenant, step.changes)).collect();
    assert_eq!(told, [("a", 3), ("b", 1), ("c", 2)]);
    for step in &steps {
        let results = if &*step.tenant == "c" { 0 } else { 1 };
        assert_eq!(step.outcome.as_ref().unwrap().deltas.len(), results);
    }
    assert_eq!((size_of(&mut tenants, "a", a), size_of(&mut tenants, "b", b)), (3, 1));
    tenants.remove(&id("c"));
    let mut left: Vec<&TenantId> = tenants.ids().collect();
    left.sort();
    assert_eq!(left, [&id("a"), &id("b")]);
}

/// Catches a panic that reaches others, a failure that is forgotten, and one that can't be mended.
#[test]
fn a_panic_is_the_end_of_one_circuit_only() {
    let mut tenants = tenants(1, 100);
    let plan = || by_author(Value::Regex("x".into()));
    for tenant in ["good", "bad"] {
        tenants.with(&id(tenant), |circuit| circuit.register(&plan())).unwrap();
    }
    let rows = tenants.with(&id("good"), |circuit| circuit.register(&everything())).unwrap();
    assert!(tenants.ingest(vec![change("bad", 1, 1, "boom")]).is_empty());
    assert!(tenants.ingest(vec![change("bad", 2, 1, "Ada")]).is_empty());
    assert!(tenants.ingest(batch("good", 2)).is_empty());
    let steps = tenants.run(usize::MAX);
    let outcomes: Vec<_> = steps.iter().map(|step| (&*step.tenant, step.outcome.is_ok())).collect();
    assert_eq!(outcomes, [("bad", false), ("good", true)]);
    let Err(TenantError::Failed { tenant, reason }) = &steps[0].outcome else { panic!("{:?}", steps[0]) };
    assert!(&**tenant == "bad" && reason.contains("the library can't do that"), "{reason}");
    assert_eq!(size_of(&mut tenants, "good", rows), 2);

    assert_eq!(tenants.waiting(&id("bad")), 0, "what waited is gone too");
    let refused = tenants.ingest([batch("bad", 2), batch("good", 3)].concat());
    assert_eq!(refused.len(), 1);
    assert!(matches!(&refused[0].error, TenantError::Failed { tenant, .. } if &**tenant == "bad"));
    assert_eq!(refused[0].changes.len(), 2);
    assert!(tenants.with(&id("bad"), |circuit| circuit.size()).is_err());
    let steps = tenants.run(usize::MAX);
    assert_eq!(steps.iter().map(|step| (&*step.tenant, step.changes)).collect::<Vec<_>>(), [("good", 3)]);

    tenants.rebuild(&id("bad"));
    let result = tenants.with(&id("bad"), |circuit| circuit.register(&everything())).unwrap();
    assert!(tenants.ingest(batch("bad", 2)).is_empty());
    assert!(tenants.run(usize::MAX).iter().all(|step| step.outcome.is_ok()));
    assert_eq!(size_of(&mut tenants, "bad", result), 2);
}

/// Registering evaluates the condition too.
#[test]
fn a_panic_outside_of_a_step_is_isolated_as_well() {
    let mut tenants = tenants(4, 100);
    assert!(tenants.ingest(vec![change("bad", 1, 1, "boom")]).is_empty());
    assert!(tenants.run(usize::MAX).iter().all(|step| step.outcome.is_ok()), "nobody has looked yet");
    assert!(tenants.ingest([batch("bad", 1), batch("good", 1)].concat()).is_empty());
    let failed = tenants.with(&id("bad"), |circuit| circuit.register(&by_author(Value::Regex("x".into()))));
    assert!(matches!(failed, Err(TenantError::Failed { .. })));
    let steps = tenants.run(usize::MAX);
    assert_eq!(steps.iter().map(|step| &*step.tenant).collect::<Vec<_>>(), ["good"]);
}

#[test]
fn a_full_queue_refuses_its_own_tenant_only() {
    let mut tenants = tenants(4, 10);
    assert!(tenants.ingest(batch("a", 25)).is_empty(), "a batch that is too large alone is not refused for ever");
    let refused = tenants.ingest([batch("a", 1), batch("b", 9)].concat());
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].error, TenantError::QueueFull { tenant: id("a"), waiting: 25 });
    assert_eq!(refused[0].changes.len(), 1);
    assert!(tenants.ingest(batch("b", 1)).is_empty());
    assert_eq!(tenants.ingest(batch("b", 1)).len(), 1);
    let taken: usize = tenants.run(usize::MAX).iter().map(|step| step.changes).sum();
    assert_eq!(taken, 35);
    assert!(tenants.ingest(batch("a", 10)).is_empty(), "there is room again");
}

/// The bound of the module's documentation: a flood of others delays a batch by so many of their changes and no more.
#[test]
fn a_flood_delays_others_by_a_bounded_number_of_changes() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let quantum = 1 + random.below(20) as usize;
        let largest = 1 + random.below(60) as usize;
        let floods = 1 + random.below(3) as usize;
        let mut tenants = tenants(quantum, usize::MAX);
        for flood in 0..floods {
            for _ in 0..300 {
                let size = 1 + random.below(largest as u64) as usize;
                assert!(tenants.ingest(batch(&format!("flood{flood}"), size)).is_empty());
            }
        }
        // Somewhere in the middle, and not where a turn of everybody ends.
        tenants.run(random.below(500) as usize);
        let size = 1 + random.below(50) as usize;
        assert!(tenants.ingest(batch("quiet", size)).is_empty());
        let mut before: BTreeMap<TenantId, usize> = BTreeMap::new();
        let bound = size.div_ceil(quantum) * quantum + largest - 1;
        'waiting: loop {
            // A budget that ends anywhere must make no difference.
            for step in tenants.run(1 + random.below(40) as usize) {
                if &*step.tenant == "quiet" {
                    assert_eq!(step.changes, size, "a batch is not divided");
                    break 'waiting;
                }
                *before.entry(step.tenant).or_default() += step.changes;
            }
            let most = before.values().copied().max().unwrap_or_default();
            assert!(most <= bound, "seed {seed}: {most} changes of one tenant went before, the bound is {bound}");
        }
        assert!(before.values().all(|changes| *changes <= bound), "seed {seed}: {before:?}, the bound is {bound}");
    }
}

/// Tenants that always have changes waiting are served alike, whatever the size of their batches.
#[test]
fn tenants_share_alike() {
    let quantum = 16;
    let sizes = [1_usize, 7, 16, 50];
    let mut tenants = tenants(quantum, usize::MAX);
    for (tenant, size) in sizes.iter().enumerate() {
        for _ in 0..4_000 / size {
            assert!(tenants.ingest(batch(&tenant.to_string(), *size)).is_empty());
        }
    }
    let mut served = [0; 4];
    while served.iter().sum::<usize>() < 8_000 {
        for step in tenants.run(1) {
            served[step.tenant.parse::<usize>().unwrap()] += step.changes;
        }
        let most = served.iter().max().unwrap();
        let least = served.iter().min().unwrap();
        assert!(most - least < quantum + 50, "{served:?}");
    }
}

/// The work counter of a circuit that has a flooded neighbour, or a hundred: the work of its own changes.
#[test]
fn a_tenants_work_does_not_depend_on_its_neighbours() {
    let work_with = |neighbours: usize| -> Work {
        let mut tenants = tenants(8, usize::MAX);
        let register = |circuit: &mut Circuit| {
            for author in ["Ada", "Grace", "Edsger"] {
                circuit.register(&by_author(author));
            }
        };
        tenants.with(&id("own"), register).unwrap();
        for neighbour in 0..neighbours {
            let neighbour = format!("neighbour{neighbour}");
            tenants.with(&id(&neighbour), register).unwrap();
            assert!(tenants.ingest(batch(&neighbour, 500)).is_empty());
        }
        assert!(tenants.ingest(batch("own", 20)).is_empty());
        let steps = tenants.run(usize::MAX);
        assert_eq!(steps.iter().map(|step| step.changes).sum::<usize>(), neighbours * 500 + 20);
        tenants.with(&id("own"), |circuit| circuit.work()).unwrap()
    };
    let alone = work_with(0);
    assert!(alone.rows_examined > 0);
    assert_eq!(work_with(1), alone);
    assert_eq!(work_with(100), alone);
}
