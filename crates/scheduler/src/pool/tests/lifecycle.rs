//! What an SSP may go through.

use super::*;

#[test]
fn a_new_member_loads_replays_and_is_ready() {
    let mut rig = Rig::new(Settings::default());
    assert_eq!(rig.bootstrap("a"), []);
    assert_eq!(rig.state("a"), Some(State::Bootstrapping));
    rig.head = 105;
    let (a, epoch) = (id("a"), rig.epoch("a"));
    assert_eq!(rig.pool.loaded(rig.now, &a, epoch, rig.head), []);
    assert_eq!(rig.state("a"), Some(State::Replaying));
    rig.head = 107;
    rig.pool.acknowledged(rig.now, &a, epoch, 104, rig.head);
    assert_eq!(rig.state("a"), Some(State::Replaying), "one is left of those that were there");
    rig.pool.acknowledged(rig.now, &a, epoch, 105, rig.head);
    assert_eq!(rig.state("a"), Some(State::Ready));
}

#[test]
fn replaying_lasts_until_the_end_of_the_log_is_within_reach() {
    let mut rig = Rig::new(Settings::default());
    rig.bootstrap("a");
    rig.head = 101;
    let (a, epoch) = (id("a"), rig.epoch("a"));
    rig.pool.loaded(rig.now, &a, epoch, rig.head);
    rig.head = 2_000;
    rig.pool.acknowledged(rig.now, &a, epoch, 999, rig.head);
    assert_eq!(rig.state("a"), Some(State::Replaying));
    rig.pool.acknowledged(rig.now, &a, epoch, 1_000, rig.head);
    assert_eq!(rig.state("a"), Some(State::Ready));
}

#[test]
fn one_that_resumes_replays_at_once_and_keeps_its_views() {
    let mut rig = Rig::with(&["a"]);
    rig.give(0..3);
    rig.head = 110;
    assert_eq!(rig.register("a", Start::Resume { position: 100 }), []);
    assert_eq!(rig.state("a"), Some(State::Replaying));
    assert_eq!(rig.pool.owned_by(&id("a")).count(), 3);
    assert_eq!(rig.pool.place(&key(0)), Placement::Wait);
    let epoch = rig.epoch("a");
    assert_eq!(rig.pool.acknowledged(rig.now, &id("a"), epoch, 110, rig.head), []);
    assert_eq!((rig.owner(0).epoch, rig.owner(0).ticket), (epoch, Ticket::KEPT));
}

#[test]
fn one_that_bootstraps_again_has_forgotten_its_views() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..4);
    let actions = rig.bootstrap("a");
    let [Action::Adopt { to, views }] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!((&to.ssp, views.len()), (&id("b"), 2));
    rig.carry_out(actions);
    assert_eq!(rig.spread(), [0, 4]);
}

/// Catches a network that lets through what a sidecar says, and nothing that is said to it.
#[test]
fn a_member_that_is_out_of_reach_is_lost_whatever_it_says() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..4);
    for _ in 0..14 {
        assert_eq!(rig.pass(1, &["b"]), []);
        assert_eq!(rig.beat("a"), Beat::Ok);
    }
    let actions = rig.pass(1, &["b"]);
    assert_eq!(actions, [rig.fence("a")]);
    assert_eq!(rig.beat("a"), Beat::NotRegistered);
    rig.carry_out(actions);
    assert_eq!(rig.spread(), [4]);
}

#[test]
fn a_silent_member_is_fenced_before_its_views_go_to_others() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..4);
    assert_eq!(rig.pass(14, &["b"]), []);
    let fence = vec![rig.fence("a")];
    assert_eq!(rig.pass(1, &["b"]), fence);
    assert_eq!(rig.state("a"), Some(State::Lost));
    assert_eq!(rig.beat("a"), Beat::NotRegistered);
    assert_eq!(rig.pass(4, &["b"]), [], "the fence is under way");
    assert_eq!(rig.pool.counts().owned, 4);
    assert_eq!(rig.pass(1, &["b"]), fence, "it is asked for again");
    rig.carry_out(fence);
    assert_eq!((rig.state("a"), rig.spread()), (None, vec![4]));
    assert_eq!(rig.beat("a"), Beat::NotRegistered);
}

#[test]
fn one_that_comes_back_before_it_is_fenced_keeps_its_views() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..4);
    let fence = rig.pass(15, &["b"]);
    rig.register("a", Start::Resume { position: 100 });
    rig.carry_out(fence);
    assert_eq!((rig.state("a"), rig.spread()), (Some(State::Ready), vec![2, 2]));
}

#[test]
fn one_that_comes_back_after_it_was_fenced_keeps_nothing() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..4);
    let fence = rig.pass(15, &["b"]);
    rig.carry_out(fence);
    let actions = rig.register("a", Start::Resume { position: 100 });
    assert_eq!(rig.pool.owned_by(&id("a")).count(), 0);
    rig.carry_out(actions);
    assert_eq!(rig.spread(), [2, 2], "it gets some back");
}

#[test]
fn one_that_is_too_far_behind_starts_over() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..4);
    rig.head += 10_000;
    assert_eq!(rig.pass(1, &["a", "b"]), []);
    rig.head += 1;
    let (b, epoch) = (id("b"), rig.epoch("b"));
    rig.pool.acknowledged(rig.now, &b, epoch, rig.head, rig.head);
    let fence = rig.pass(1, &["a", "b"]);
    assert_eq!(fence, [rig.fence("a")]);
    assert_eq!(rig.state("a"), Some(State::Dismissed(Reason::Overflow)));
    assert_eq!(rig.beat("a"), Beat::Bootstrap);
    rig.carry_out(fence);
    assert_eq!(rig.spread(), [0, 4]);
    assert_eq!(rig.beat("a"), Beat::Bootstrap, "as often as it asks");
    rig.join("a");
    assert_eq!(rig.beat("a"), Beat::Ok);
    assert_eq!(rig.spread(), [2, 2]);
}

#[test]
fn one_that_has_to_start_over_can_not_resume() {
    let mut rig = Rig::with(&["a"]);
    rig.give(0..2);
    let (a, epoch) = (id("a"), rig.epoch("a"));
    assert!(rig.pool.may_resume(&a));
    assert_eq!(rig.pool.mismatch(rig.now, &a, epoch), [rig.fence("a")]);
    assert!(!rig.pool.may_resume(&a));
    assert_eq!(rig.register("a", Start::Resume { position: 100 }), []);
    assert_eq!(rig.state("a"), Some(State::Dismissed(Reason::Mismatch)));
    assert_eq!((rig.beat("a"), rig.pool.owned_by(&a).count()), (Beat::Bootstrap, 0));
    rig.join("a");
    assert_eq!(rig.spread(), [2]);
}

#[test]
fn one_that_does_not_get_ready_in_time_starts_over() {
    for start in [Start::Bootstrap { snapshot: 0 }, Start::Resume { position: 0 }] {
        let mut rig = Rig::new(Settings::default());
        rig.register("a", start);
        for _ in 0..11 {
            assert_eq!(rig.pass(10, &["a"]), []);
            assert_eq!(rig.beat("a"), Beat::Ok);
        }
        assert_eq!(rig.pass(10, &["a"]), [rig.fence("a")]);
        assert_eq!(rig.beat("a"), Beat::Bootstrap);
    }
}

#[test]
fn a_dismissed_member_that_falls_silent_is_lost() {
    let mut rig = Rig::with(&["a"]);
    let epoch = rig.epoch("a");
    let fence = rig.pool.mismatch(rig.now, &id("a"), epoch);
    rig.carry_out(fence);
    assert_eq!(rig.pass(14, &[]), []);
    assert_eq!(rig.pass(1, &[]), [], "it is fenced already");
    assert_eq!(rig.state("a"), None);
}

#[test]
fn what_an_older_epoch_says_is_ignored() {
    let mut rig = Rig::with(&["a"]);
    rig.give(0..1);
    let (a, old, now, head) = (id("a"), rig.epoch("a"), rig.now, rig.head);
    let mut registration =
        Registration { id: a.clone(), url: "http://a".into(), epoch: old, start: Start::Bootstrap { snapshot: 0 } };
    rig.register("a", Start::Resume { position: 0 });
    assert_eq!(rig.pool.heartbeat(now, &a, old, Load::default()), Beat::NotRegistered);
    assert_eq!(rig.pool.acknowledged(now, &a, old, head, head), []);
    assert_eq!(rig.pool.mismatch(now, &a, old), []);
    assert_eq!(rig.pool.fenced(now, &a, old), []);
    assert_eq!(rig.pool.register(now, registration.clone(), head), []);
    registration.epoch = rig.epoch("a");
    assert_eq!(rig.pool.register(now, registration, head), []);
    let epoch = rig.epoch("a");
    assert_eq!(rig.pool.fenced(now, &a, epoch), [], "nobody has asked for that");
    assert_eq!((rig.state("a"), rig.spread()), (Some(State::Replaying), vec![1]));
}

#[test]
fn members_of_before_the_start_are_awaited() {
    let mut rig = Rig::new(Settings::default());
    for (name, epoch) in [("a", 1), ("b", 2)] {
        rig.pool.restore_member(rig.now, id(name), format!("http://{name}").into(), Epoch(epoch));
    }
    for view in 0..4 {
        rig.pool.restore_view(key(view), Some(&id(if view % 2 == 0 { "a" } else { "b" })));
    }
    rig.pool.restore_view(key(4), None);
    rig.last_epoch = 2;
    assert_eq!((rig.beat("a"), rig.pool.oldest_position()), (Beat::NotRegistered, Some(0)));
    let adopt = rig.register("a", Start::Resume { position: 100 });
    assert!(matches!(adopt.as_slice(), [Action::Adopt { views, .. }] if *views == [key(4)]), "{adopt:?}");
    rig.carry_out(adopt);
    assert_eq!(rig.owner(0).ssp, id("a"));
    assert_eq!(rig.pool.place(&key(1)), Placement::Wait);
    let adopt = rig.pass(14, &["a"]);
    rig.carry_out(adopt);
    assert_eq!((rig.spread(), rig.pool.oldest_position()), (vec![3, 2], Some(0)));
    let adopt = rig.pass(1, &["a"]);
    rig.carry_out(adopt);
    assert_eq!((rig.spread(), rig.pool.oldest_position()), (vec![5], Some(100)));
}

#[test]
fn the_log_is_needed_from_the_last_of_those_that_go_on() {
    let mut rig = Rig::new(Settings::default());
    assert_eq!(rig.pool.oldest_position(), None);
    rig.bootstrap("a");
    rig.head = 200;
    rig.bootstrap("b");
    assert_eq!(rig.pool.oldest_position(), Some(100));
    rig.pass(15, &["b"]);
    assert_eq!(rig.pool.oldest_position(), Some(200), "a is lost");
}
