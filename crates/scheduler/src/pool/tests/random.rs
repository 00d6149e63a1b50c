//! Random lives of a pool, against the model.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{Message, Ssp};
use super::world::{SSPS, World};
use super::*;

const VIEWS: u64 = 6;

#[derive(Clone, Debug)]
enum Step {
    Deliver(usize),
    Lose(usize),
    /// A message takes its time, on its way or twice.
    Delay {
        message: usize,
        is_twice: bool,
    },
    Arrive(usize),
    Pass(u16),
    Log(u16),
    Join {
        ssp: usize,
        resumes: bool,
    },
    Beat(usize),
    Progress(usize),
    Mismatch(usize),
    Fail(usize),
    Crash(usize),
    Restart,
    Place(u64),
    GiveUp(usize),
    Unregister(u64),
    Expire(u64),
    Delete(u64),
    Redefine,
}

fn step() -> impl Strategy<Value = Step> {
    let (any_message, any_ssp, any_view) = (0usize..100, 0..SSPS, 0..VIEWS);
    prop_oneof![
        30 => any_message.clone().prop_map(Step::Deliver),
        2 => any_message.clone().prop_map(Step::Lose),
        6 => (any_message.clone(), any::<bool>()).prop_map(|(message, is_twice)| Step::Delay { message, is_twice }),
        2 => any_message.clone().prop_map(Step::Arrive),
        8 => prop_oneof![9 => 0u16..4_000, 1 => 0u16..40_000].prop_map(Step::Pass),
        2 => (0u16..80).prop_map(Step::Log),
        5 => (any_ssp.clone(), any::<bool>()).prop_map(|(ssp, resumes)| Step::Join { ssp, resumes }),
        8 => any_ssp.clone().prop_map(Step::Beat),
        10 => any_ssp.clone().prop_map(Step::Progress),
        1 => any_ssp.clone().prop_map(Step::Mismatch),
        1 => any_ssp.clone().prop_map(Step::Fail),
        1 => any_ssp.prop_map(Step::Crash),
        1 => Just(Step::Restart),
        12 => any_view.clone().prop_map(Step::Place),
        3 => any_message.prop_map(Step::GiveUp),
        3 => any_view.clone().prop_map(Step::Unregister),
        2 => any_view.clone().prop_map(Step::Expire),
        1 => any_view.prop_map(Step::Delete),
        1 => Just(Step::Redefine),
    ]
}

impl World {
    fn apply(&mut self, step: &Step) {
        let pick = |number: usize, of: usize| number.checked_rem(of);
        match *step {
            Step::Deliver(number) => {
                if let Some(place) = pick(number, self.network.len()) {
                    self.deliver(place);
                }
            }
            Step::Lose(number) => {
                if let Some(place) = pick(number, self.network.len()) {
                    self.network.remove(place);
                }
            }
            Step::Delay { message, is_twice } => {
                if let Some(place) = pick(message, self.network.len()) {
                    let message = self.network[place].clone();
                    // A registration that was sent twice is in doubt, unless both were answered.
                    if !is_twice || matches!(message.1, Message::Register { .. }) {
                        self.network.remove(place);
                    }
                    self.late.push(message);
                }
            }
            Step::Arrive(number) => {
                if let Some(place) = pick(number, self.late.len()) {
                    self.network.insert(0, self.late.remove(place));
                    self.deliver(0);
                }
            }
            Step::Pass(millis) => {
                self.now += Duration::from_millis(millis.into());
                let actions = self.pool.tick(self.now, self.head);
                self.perform(actions);
            }
            Step::Log(events) => self.head += u64::from(events),
            Step::Join { ssp, resumes } => self.join(ssp, resumes),
            Step::Beat(ssp) => {
                self.beat(ssp);
            }
            Step::Progress(ssp) => self.progress(ssp),
            Step::Mismatch(ssp) => {
                let (id, epoch) = (self.ssps[ssp].id.clone(), self.ssps[ssp].epoch);
                let actions = self.pool.mismatch(self.now, &id, epoch);
                self.perform(actions);
            }
            Step::Fail(ssp) => self.ssps[ssp].is_failing ^= true,
            Step::Crash(ssp) => self.crash(ssp),
            Step::Restart => self.restart(),
            Step::Place(view) => self.place(key(view)),
            Step::GiveUp(number) => {
                if let Some(place) = pick(number, self.calls.len()) {
                    self.give_up(place);
                }
            }
            Step::Unregister(view) => {
                if let Location::Owner(to) = self.pool.locate(&key(view)) {
                    self.send(Message::Unregister { to, key: key(view) });
                }
            }
            Step::Expire(view) => {
                for number in 0..self.ssps.len() {
                    let told = self.ssps[number].expire(&key(view), &mut self.database);
                    told.into_iter().for_each(|message| self.send(message));
                }
            }
            Step::Delete(view) => {
                self.database.records.remove(&key(view));
                let actions = self.pool.gone(self.now, &key(view));
                self.perform(actions);
            }
            Step::Redefine => {
                self.database.is_strict ^= true;
                let actions = self.pool.reconsider(self.now);
                self.perform(actions);
            }
        }
        self.verify();
    }
}

fn live(load_balance: LoadBalance, steps: &[Step]) -> World {
    let mut world = World::new(load_balance);
    steps.iter().for_each(|step| world.apply(step));
    world
}

fn load_balance() -> impl Strategy<Value = LoadBalance> {
    prop_oneof![Just(LoadBalance::RoundRobin), Just(LoadBalance::LeastQueries), Just(LoadBalance::LeastLoad)]
}

proptest! {
    #[test]
    fn no_view_has_two_writers_and_all_find_an_owner(load_balance in load_balance(), steps in vec(step(), 0..300)) {
        let mut world = live(load_balance, &steps);
        world.settle(90);
        world.ssps.push(Ssp::new(id("newcomer")));
        world.settle(60);
        world.is_at_rest();
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(load_balance in load_balance(), steps in vec(step(), 0..100)) {
        prop_assert_eq!(live(load_balance, &steps).asked, live(load_balance, &steps).asked);
    }
}
