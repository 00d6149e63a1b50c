//! Who gets which views, and who gives some away.

use super::*;

fn with(load_balance: LoadBalance, names: &[&str]) -> Rig {
    let mut rig = Rig::new(Settings { load_balance, ..Settings::default() });
    names.iter().for_each(|name| rig.join(name));
    rig
}

fn owners(rig: &Rig, views: std::ops::Range<u64>) -> String {
    views.map(|view| rig.owner(view).ssp.to_string()).collect()
}

fn load(rig: &mut Rig, name: &str, cpu: f64, memory: f64) {
    let epoch = rig.epoch(name);
    rig.pool.heartbeat(rig.now, &id(name), epoch, Load { views: 0, cpu, memory });
}

#[test]
fn round_robin_takes_turns() {
    let mut rig = with(LoadBalance::RoundRobin, &["a", "b", "c"]);
    rig.give(0..7);
    assert_eq!(owners(&rig, 0..7), "abcabca");
    assert_eq!(rig.pool.choose_ready(&[id("b")]).map(|target| target.ssp), Some(id("c")));
    let orphans = rig.bootstrap("c");
    rig.carry_out(orphans);
    assert_eq!(owners(&rig, 0..7), "abaabba", "views 2 and 5 go on after c");
}

#[test]
fn least_queries_counts_what_is_under_way() {
    let mut rig = with(LoadBalance::LeastQueries, &["a", "b"]);
    let placed: Vec<_> = (0..4).map(|view| rig.pool.place(&key(view))).collect();
    let names: String =
        placed.iter().map(|placed| matches!(placed, Placement::New(to) if to.ssp == id("a")).to_string()).collect();
    assert_eq!(names, "truefalsetruefalse");
}

#[test]
fn least_load_goes_by_the_last_heartbeat() {
    let mut rig = with(LoadBalance::LeastLoad, &["a", "b", "c"]);
    load(&mut rig, "a", 0.5, 0.5);
    load(&mut rig, "b", 0.2, 0.7);
    load(&mut rig, "c", 0.7, 0.2);
    rig.give(0..3);
    assert_eq!(owners(&rig, 0..3), "bcb", "equal load: the one with fewer views");
    load(&mut rig, "a", f64::NAN, 0.0);
    load(&mut rig, "b", 0.9, 0.9);
    rig.give(3..5);
    assert_eq!(owners(&rig, 3..5), "cc");
    let orphans = rig.bootstrap("c");
    rig.carry_out(orphans);
    assert_eq!(owners(&rig, 0..5), "bbbbb");
}

#[test]
fn nobody_is_chosen_if_all_are_excluded() {
    for load_balance in [LoadBalance::RoundRobin, LoadBalance::LeastQueries, LoadBalance::LeastLoad] {
        let mut rig = with(load_balance, &["a", "b"]);
        assert_eq!(rig.pool.choose_ready(&[id("a"), id("b")]), None);
        assert_eq!(rig.pool.choose_ready(&[id("a")]).map(|target| target.ssp), Some(id("b")));
    }
}

#[test]
fn a_new_member_gets_its_share_and_no_more_is_moved() {
    for load_balance in [LoadBalance::RoundRobin, LoadBalance::LeastQueries, LoadBalance::LeastLoad] {
        let mut rig = with(load_balance, &["a", "b"]);
        rig.give(0..200);
        let before = rig.spread();
        rig.bootstrap("c");
        let (c, epoch) = (id("c"), rig.epoch("c"));
        let actions = rig.pool.loaded(rig.now, &c, epoch, rig.head);
        let sizes = actions.iter().map(|action| match action {
            Action::Release { views, .. } => views.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(sizes.sum::<usize>(), 50);
        assert_eq!(rig.carry_out(actions), 66, "{load_balance:?}: {before:?}");
        assert_eq!(rig.spread(), [67, 67, 66]);
        assert_eq!(rig.pass(1, &["a", "b", "c"]), []);
    }
}

#[test]
fn not_more_than_allowed_is_without_an_owner() {
    let mut rig = Rig::new(Settings { moved_at_once: 3, ..Settings::default() });
    ["a", "b"].iter().for_each(|name| rig.join(name));
    rig.give(0..20);
    rig.bootstrap("c");
    let (c, epoch) = (id("c"), rig.epoch("c"));
    let mut actions = rig.pool.loaded(rig.now, &c, epoch, rig.head);
    while !actions.is_empty() {
        let counts = rig.pool.counts();
        assert!(counts.releasing + counts.orphans + counts.adopting <= 3, "{counts:?}");
        let action = actions.remove(0);
        actions.extend(match action {
            Action::Release { to, .. } => rig.pool.released(rig.now, &to.ssp, to.epoch, to.ticket),
            Action::Adopt { to, views } => {
                let outcomes: Vec<_> = views.into_iter().map(|key| (key, Outcome::Adopted)).collect();
                rig.pool.adopted(rig.now, &to.ssp, to.epoch, to.ticket, &outcomes)
            }
            Action::Fence { .. } => panic!("nobody is lost"),
        });
    }
    assert_eq!(rig.spread(), [7, 7, 6]);
}

#[test]
fn views_that_come_and_go_move_no_others() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..20);
    for view in (0..20).step_by(2) {
        let to = rig.owner(view);
        rig.pool.unregistered(&key(view), &to.ssp, to.epoch, to.ticket);
    }
    assert_eq!(rig.spread(), [0, 10]);
    assert_eq!(rig.pass(1, &["a", "b"]), []);
    rig.give(20..30);
    assert_eq!(rig.spread(), [10, 10], "new ones even it out");
}

/// Catches views that go back to where they came from, as the one that lacks them is busy.
#[test]
fn views_that_were_moved_wait_for_the_one_that_lacks_them() {
    let mut rig = Rig::new(Settings { moved_at_once: 4, adopt_at_once: 1, ..Settings::default() });
    rig.join("a");
    rig.give(0..8);
    rig.bootstrap("b");
    let (b, epoch) = (id("b"), rig.epoch("b"));
    let release = rig.pool.loaded(rig.now, &b, epoch, rig.head);
    let [Action::Release { to, .. }] = release.as_slice() else { panic!("{release:?}") };
    let adopt = rig.pool.released(rig.now, &to.ssp, to.epoch, to.ticket);
    let [Action::Adopt { to, views }] = adopt.as_slice() else { panic!("{adopt:?}") };
    assert_eq!((&to.ssp, views.len(), rig.pool.counts().orphans), (&b, 1, 3));
    assert_eq!(rig.pass(1, &["a", "b"]), []);
    assert_eq!(rig.carry_out(adopt), 0);
    assert_eq!(rig.spread(), [4, 4]);
}

/// A hundred members and many views: catches what is looked at without need.
#[test]
fn a_large_pool_is_quick() {
    let mut rig = Rig::new(Settings { adopt_at_once: 1_000, ..Settings::default() });
    let names: Vec<String> = (0..100).map(|name| format!("ssp-{name:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.iter().for_each(|name| rig.join(name));
    (0..100_000).for_each(|view| rig.pool.restore_view(ViewKey::from_key(format!("{view:06}")).unwrap(), None));
    for action in rig.pass(1, &names) {
        let Action::Adopt { to, views } = action else { panic!("{action:?}") };
        let outcomes: Vec<_> = views.into_iter().map(|key| (key, Outcome::Adopted)).collect();
        rig.pool.adopted(rig.now, &to.ssp, to.epoch, to.ticket, &outcomes);
    }
    assert_eq!(rig.spread(), [1_000; 100]);
    let before = std::time::Instant::now();
    (0..100).for_each(|_| assert_eq!(rig.pass(0, &names), []));
    assert!(before.elapsed() < Duration::from_secs(5), "a tick takes {:?}", before.elapsed() / 100);
}
