//! The strategies: which SSP is next.

use std::cmp::Ordering;
use std::ops::Bound;

use super::Pool;
use super::ids::{SspId, Target};
use super::member::Member;
use super::settings::LoadBalance;

impl Pool {
    /// Chooses a ready SSP by the strategy, other than those that are excluded, under a ticket of its own. `None` if
    /// there is none. O(members).
    pub fn choose_ready(&mut self, exclude: &[SspId]) -> Option<Target> {
        let candidates = || self.members.iter().filter(|(id, member)| member.is_ready() && !exclude.contains(id));
        let chosen = match self.settings.load_balance {
            LoadBalance::RoundRobin => self.after_last_turn(|id, member| member.is_ready() && !exclude.contains(id)),
            // Of equal ones the first, which is that with the lowest id.
            LoadBalance::LeastQueries => candidates().min_by_key(|(_, member)| member.count()),
            LoadBalance::LeastLoad => candidates().min_by(|(_, one), (_, other)| by_load(one, other)),
        };
        let id = chosen?.0.clone();
        self.last_turn = Some(id.clone());
        let ticket = self.next_ticket();
        Some(self.members.get(&id)?.target(&id, ticket))
    }

    /// The first member that will do, beginning after the one that had the last turn.
    fn after_last_turn(&self, will_do: impl Fn(&SspId, &Member) -> bool) -> Option<(&SspId, &Member)> {
        let from = self.last_turn.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let (after, all) = (self.members.range::<SspId, _>((from, Bound::Unbounded)), self.members.iter());
        after.chain(all).find(|(id, member)| will_do(id, member))
    }

    /// Those that can be asked to adopt views, beginning after the one that had the last turn.
    pub(super) fn free_in_turn(&self) -> Vec<SspId> {
        let mut free: Vec<SspId> =
            self.members.iter().filter(|(_, member)| member.is_free()).map(|(id, _)| id.clone()).collect();
        let had_turn = |id: &SspId| self.last_turn.as_ref().is_some_and(|last| id <= last);
        let first = free.partition_point(had_turn);
        free.rotate_left(first);
        free
    }

    /// Those that can be asked to adopt views, the least loaded first.
    pub(super) fn free_by_load(&self) -> Vec<SspId> {
        let mut free: Vec<_> = self.members.iter().filter(|(_, member)| member.is_free()).collect();
        free.sort_by(|(_, one), (_, other)| by_load(one, other));
        free.into_iter().map(|(id, _)| id.clone()).collect()
    }
}

fn by_load(one: &Member, other: &Member) -> Ordering {
    let load = |member: &Member| member.load.cpu + member.load.memory;
    load(one).total_cmp(&load(other)).then(one.count().cmp(&other.count()))
}
