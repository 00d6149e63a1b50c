//! What a view may go through.

use super::*;

/// The placement of a view that is new.
fn reserve(rig: &mut Rig, view: u64) -> Target {
    match rig.pool.place(&key(view)) {
        Placement::New(target) => target,
        other => panic!("{view} is not new: {other:?}"),
    }
}

#[test]
fn a_view_is_reserved_until_its_registration_has_ended() {
    let mut rig = Rig::with(&["a"]);
    let to = reserve(&mut rig, 0);
    assert_eq!((to.ssp.as_str(), &*to.url), ("a", "http://a"));
    assert_eq!(rig.pool.place(&key(0)), Placement::Wait);
    rig.pool.registered(&key(0), &to.ssp, to.epoch, to.ticket);
    assert_eq!(rig.pool.place(&key(0)), Placement::Owner(to.clone()));
    assert_eq!(rig.pool.locate(&key(0)), Location::Owner(to.clone()));
    rig.pool.unregistered(&key(0), &to.ssp, to.epoch, to.ticket);
    assert_eq!(rig.pool.locate(&key(0)), Location::Unknown);
}

#[test]
fn nobody_gets_a_view_if_nobody_is_ready() {
    let mut rig = Rig::new(Settings::default());
    assert_eq!(rig.pool.place(&key(0)), Placement::Nobody);
    rig.bootstrap("a");
    assert_eq!(rig.pool.place(&key(0)), Placement::Nobody);
    assert_eq!(rig.pool.locate(&key(0)), Location::Unknown);
}

#[test]
fn a_failed_registration_leaves_what_was_before() {
    let mut rig = Rig::with(&["a"]);
    let to = reserve(&mut rig, 0);
    rig.pool.registration_failed(&key(0), &to.ssp, to.epoch, to.ticket);
    assert_eq!(rig.holding(0), None);
    rig.pool.restore_view(key(0), None);
    let to = reserve(&mut rig, 0);
    rig.pool.registration_failed(&key(0), &to.ssp, to.epoch, to.ticket);
    assert_eq!(rig.holding(0), Some(Holding::Orphan));
    let adopt = rig.pass(1, &["a"]);
    rig.carry_out(adopt);
    assert_eq!(rig.owner(0).ssp, id("a"));
}

#[test]
fn a_registration_in_doubt_is_released_and_adopted_from_its_record() {
    let mut rig = Rig::with(&["a", "b"]);
    let to = reserve(&mut rig, 0);
    let release = rig.pool.registration_in_doubt(rig.now, &key(0), &to.ssp, to.epoch, to.ticket);
    let [Action::Release { to: again, views }] = release.as_slice() else { panic!("{release:?}") };
    assert_eq!((&again.ssp, views.as_slice()), (&to.ssp, [key(0)].as_slice()));
    assert!(again.ticket > to.ticket);
    assert_eq!(rig.pool.place(&key(0)), Placement::Wait);
    let adopt = rig.pool.released(rig.now, &again.ssp, again.epoch, again.ticket);
    let [Action::Adopt { to, .. }] = adopt.as_slice() else { panic!("{adopt:?}") };
    rig.pool.adopted(rig.now, &to.ssp, to.epoch, to.ticket, &[(key(0), Outcome::Gone)]);
    assert_eq!(rig.holding(0), None, "it was never stored");
}

/// Catches an answer to a former doubt that is taken for one to the present.
#[test]
fn a_view_in_doubt_again_is_released_again() {
    let mut rig = Rig::with(&["a"]);
    let first = reserve(&mut rig, 0);
    let release = rig.pool.registration_in_doubt(rig.now, &key(0), &first.ssp, first.epoch, first.ticket);
    let [Action::Release { to, .. }] = release.as_slice() else { panic!("{release:?}") };
    rig.pool.unregistered(&key(0), &first.ssp, first.epoch, first.ticket);
    let second = reserve(&mut rig, 0);
    assert_eq!(rig.pool.registration_in_doubt(rig.now, &key(0), &second.ssp, second.epoch, second.ticket), []);
    let again = rig.pool.released(rig.now, &to.ssp, to.epoch, to.ticket);
    assert!(matches!(again.as_slice(), [Action::Release { to, .. }] if to.ticket > second.ticket), "{again:?}");
    assert_eq!(rig.holding(0), Some(Holding::Releasing(&to.ssp)));
}

#[test]
fn answers_to_another_ticket_are_ignored() {
    let mut rig = Rig::with(&["a"]);
    let old = reserve(&mut rig, 0);
    rig.pool.registration_failed(&key(0), &old.ssp, old.epoch, old.ticket);
    let new = reserve(&mut rig, 0);
    rig.pool.registered(&key(0), &old.ssp, old.epoch, old.ticket);
    assert_eq!(rig.holding(0), Some(Holding::Registering(&id("a"))));
    rig.pool.registered(&key(0), &new.ssp, new.epoch, new.ticket);
    rig.pool.unregistered(&key(0), &old.ssp, old.epoch, old.ticket);
    assert_eq!(rig.pool.missing(rig.now, &key(0), &old.ssp, old.epoch, old.ticket), []);
    assert_eq!(rig.pool.adopted(rig.now, &old.ssp, old.epoch, old.ticket, &[(key(0), Outcome::Gone)]), []);
    assert_eq!(rig.pool.released(rig.now, &old.ssp, old.epoch, old.ticket), []);
    assert_eq!(rig.holding(0), Some(Holding::Owned(&id("a"))));
}

#[test]
fn a_view_that_its_owner_does_not_hold_is_adopted_anew() {
    let mut rig = Rig::with(&["a"]);
    rig.give(0..1);
    let to = rig.owner(0);
    let adopt = rig.pool.missing(rig.now, &key(0), &to.ssp, to.epoch, to.ticket);
    rig.carry_out(adopt);
    assert!(rig.owner(0).ticket > to.ticket);
}

#[test]
fn an_owner_releases_what_is_gone_from_the_database() {
    let mut rig = Rig::with(&["a"]);
    rig.give(0..1);
    let actions = rig.pool.gone(rig.now, &key(0));
    assert!(matches!(actions.as_slice(), [Action::Release { .. }]), "{actions:?}");
    rig.pool.restore_view(key(1), None);
    assert_eq!(rig.pool.gone(rig.now, &key(1)), []);
    assert_eq!(rig.holding(1), None);
}

/// Catches an SSP that keeps a view which was removed from the database after it had looked there.
#[test]
fn what_goes_while_it_is_adopted_or_registered_is_released_again() {
    let mut rig = Rig::new(Settings::default());
    rig.pool.restore_view(key(0), None);
    rig.bootstrap("a");
    let (a, epoch) = (id("a"), rig.epoch("a"));
    let adopt = rig.pool.loaded(rig.now, &a, epoch, rig.head);
    let [Action::Adopt { to, .. }] = adopt.as_slice() else { panic!("{adopt:?}") };
    assert_eq!(rig.pool.gone(rig.now, &key(0)), []);
    let release = rig.pool.adopted(rig.now, &a, epoch, to.ticket, &[(key(0), Outcome::Adopted)]);
    let [Action::Release { to, views }] = release.as_slice() else { panic!("{release:?}") };
    assert_eq!(views, &[key(0)]);
    let again = rig.pool.released(rig.now, &a, epoch, to.ticket);
    assert!(matches!(again.as_slice(), [Action::Adopt { .. }]), "{again:?}");

    let Placement::New(at) = rig.pool.place(&key(1)) else { panic!("there is an SSP") };
    rig.pool.gone(rig.now, &key(1));
    rig.pool.registered(&key(1), &at.ssp, at.epoch, at.ticket);
    assert_eq!(rig.holding(1), Some(Holding::Releasing(&a)));
}

#[test]
fn adoptions_end_in_four_ways() {
    let mut rig = Rig::new(Settings::default());
    (0..5).for_each(|view| rig.pool.restore_view(key(view), None));
    rig.bootstrap("a");
    let (a, epoch) = (id("a"), rig.epoch("a"));
    let adopt = rig.pool.loaded(rig.now, &a, epoch, rig.head);
    let [Action::Adopt { to, views }] = adopt.as_slice() else { panic!("{adopt:?}") };
    assert_eq!(views.len(), 5);
    let outcomes = [Outcome::Adopted, Outcome::Refused, Outcome::Gone, Outcome::Failed];
    let outcomes: Vec<_> = views.iter().cloned().zip(outcomes).collect();
    assert_eq!(rig.pool.adopted(rig.now, &a, epoch, to.ticket, &outcomes), [], "no failure is repeated at once");
    let a = id("a");
    assert_eq!(rig.holding(0), Some(Holding::Owned(&a)));
    assert_eq!(rig.holding(1), Some(Holding::Refused));
    assert_eq!(rig.holding(2), None);
    assert_eq!((rig.holding(3), rig.holding(4)), (Some(Holding::Orphan), Some(Holding::Orphan)));
    let adopt = rig.pass(1, &["a"]);
    assert!(matches!(adopt.as_slice(), [Action::Adopt { views, .. }] if *views == [key(3), key(4)]), "{adopt:?}");
    rig.carry_out(adopt);
    let adopt = rig.pool.reconsider(rig.now);
    assert!(matches!(adopt.as_slice(), [Action::Adopt { views, .. }] if *views == [key(1)]), "{adopt:?}");
}

#[test]
fn what_is_not_answered_is_asked_again_under_the_same_ticket() {
    let mut rig = Rig::with(&["a"]);
    rig.pool.restore_view(key(0), None);
    let adopt = rig.pass(1, &["a"]);
    assert_eq!((adopt.len(), rig.pass(4, &["a"])), (1, vec![]));
    assert_eq!(rig.pass(1, &["a"]), adopt);
}

#[test]
fn an_adopter_is_asked_for_one_batch_at_a_time() {
    let mut rig = Rig::new(Settings { adopt_at_once: 2, ..Settings::default() });
    (0..5).for_each(|view| rig.pool.restore_view(key(view), None));
    rig.bootstrap("a");
    let (a, epoch) = (id("a"), rig.epoch("a"));
    let adopt = rig.pool.loaded(rig.now, &a, epoch, rig.head);
    assert!(matches!(adopt.as_slice(), [Action::Adopt { views, .. }] if views.len() == 2), "{adopt:?}");
    assert_eq!(rig.pass(1, &["a"]), []);
    rig.carry_out(adopt);
    assert_eq!(rig.spread(), [5]);
}

#[test]
fn what_was_adopted_and_dropped_before_the_answer_came_is_forgotten() {
    let mut rig = Rig::with(&["a"]);
    rig.pool.restore_view(key(0), None);
    let adopt = rig.pass(1, &["a"]);
    let [Action::Adopt { to, .. }] = adopt.as_slice() else { panic!("{adopt:?}") };
    rig.pool.unregistered(&key(0), &to.ssp, to.epoch, to.ticket);
    let again = reserve(&mut rig, 0);
    rig.pool.adopted(rig.now, &to.ssp, to.epoch, to.ticket, &[(key(0), Outcome::Adopted)]);
    verify(&rig.pool);
    assert_eq!(rig.holding(0), Some(Holding::Registering(&again.ssp)), "it is another one");
}

#[test]
fn a_view_that_is_found_with_a_member_is_released_by_it() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.pool.restore_view(key(0), Some(&id("b")));
    assert_eq!(rig.pool.place(&key(0)), Placement::Wait);
    let release = rig.pass(1, &["a", "b"]);
    assert!(matches!(release.as_slice(), [Action::Release { to, .. }] if to.ssp == id("b")), "{release:?}");
    rig.carry_out(release);
    rig.owner(0);
}

/// Catches a view that two sidecars keep for good.
#[test]
fn what_an_ssp_holds_and_is_not_to_hold_is_released() {
    let mut rig = Rig::with(&["a", "b"]);
    rig.give(0..2);
    rig.pool.restore_view(key(2), None);
    let (epoch, [own, other]) = (rig.epoch("a"), [0, 1].map(|view| rig.owner(view).ssp));
    assert_ne!(own, other);
    let actions = rig.pool.stray(rig.now, &id("a"), epoch, &[0, 1, 2, 7].map(key));
    let [Action::Release { to, views }] = actions.as_slice() else { panic!("{actions:?}") };
    let [kept, strayed] = if own == id("a") { [0, 1] } else { [1, 0] };
    assert_eq!(to.ssp, id("a"));
    assert_eq!(views, &[2, strayed, 7].map(key), "{kept} is its own; nobody else is given 2 before");
    assert_eq!(rig.carry_out(actions), 3);
    assert_eq!([0, 1].map(|view| rig.owner(view).ssp), [own, other]);
    assert!(matches!(rig.holding(2), Some(Holding::Owned(_))));
    assert_eq!(rig.pool.stray(rig.now, &id("a"), Epoch(0), &[key(7)]), [], "it has joined again since");
}
