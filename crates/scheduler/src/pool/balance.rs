//! Views are moved until all ready SSPs have as many, give or take one.

use std::cmp::Reverse;

use super::Pool;
use super::ids::SspId;
use super::member::Member;
use super::views::Hold;

/// How many views a ready SSP has, and how many it is to have.
#[derive(Debug)]
struct Share {
    ssp: SspId,
    count: usize,
    goal: usize,
}

impl Pool {
    /// What each ready SSP is to have of all views, those that nobody has yet included. What is left over when they are
    /// divided goes to those that have most, so that as few as possible are moved. The goals add up to all views, so
    /// there is room for each below some goal; and as views move towards the goals only, they never move back.
    /// O(members log members).
    fn shares(&self) -> Vec<Share> {
        let ready = || self.members.iter().filter(|(_, member)| member.is_ready());
        let mut shares: Vec<Share> =
            ready().map(|(id, member)| Share { ssp: id.clone(), count: member.count(), goal: 0 }).collect();
        let total =
            self.views.unowned() + ready().map(|(_, member)| member.count() + member.releasing.len()).sum::<usize>();
        let (each, left_over) =
            (total.checked_div(shares.len()).unwrap_or(0), total.checked_rem(shares.len()).unwrap_or(0));
        shares.sort_by_key(|share| Reverse(share.count));
        for (place, share) in shares.iter_mut().enumerate() {
            share.goal = each + usize::from(place < left_over);
        }
        shares
    }

    /// Who can be asked to adopt how many views, the one that has fewest first.
    pub(super) fn lacking(&self) -> Vec<(SspId, usize)> {
        let is_free = |id: &SspId| self.members.get(id).is_some_and(Member::is_free);
        let lacking = self.shares().into_iter().rev().filter(|share| share.goal > share.count && is_free(&share.ssp));
        lacking.map(|share| (share.ssp, share.goal - share.count)).collect()
    }

    /// Marks views to be released by SSPs that have more than their share, as far as not too many are on their way
    /// already, and answers whether there are any.
    pub(super) fn even_out(&mut self) -> bool {
        if !self.is_uneven {
            return false;
        }
        let ready = self.members.values().filter(|member| member.is_ready());
        let moving =
            self.views.unowned() + ready.map(|member| member.adopting() + member.releasing.len()).sum::<usize>();
        let mut may_move = self.settings.moved_at_once.max(1).saturating_sub(moving);
        let (mut has_surplus, mut is_moving) = (false, false);
        for Share { ssp, count, goal } in self.shares() {
            let surplus = count.saturating_sub(goal);
            has_surplus |= surplus > 0;
            let Some(member) = self.members.get_mut(&ssp).filter(|member| member.is_free()) else { continue };
            for _ in 0..surplus.min(may_move) {
                let Some(key) = member.owned.pop_last() else { break };
                self.views.set_hold(&key, Hold::Releasing);
                member.releasing.insert(key);
                may_move -= 1;
                is_moving = true;
            }
        }
        self.is_uneven = has_surplus || moving > 0;
        is_moving
    }
}
