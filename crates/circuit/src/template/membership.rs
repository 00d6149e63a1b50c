//! What a change of a live set means to a template: to which of its rows, and to which of its bindings.

use crate::collection::id_set::IdSet;
use crate::dependent::live_set::{LiveSets, Moment};
use crate::plan::Slots;
use crate::store::table::{RowView, Table};
use crate::template::keys::Keys;
use crate::template::route::{Access, Member, Membership, Routing};
use crate::template::{Columns, Evaluation, Members, Standing, TemplateState, Transition, at};
use crate::value::Value;
use crate::work::Work;

/// The live set in a slot.
pub(crate) fn set_of(slots: &Slots, slot: u16) -> Option<u32> {
    match at(&slots.0, slot) {
        Some(Value::Int(set)) => u32::try_from(*set).ok(),
        _ => None,
    }
}

impl TemplateState {
    /// Appends the rows that a change of a live set may concern, perhaps some twice. `bindings` are those that test
    /// membership in it. O(answer); where the set has got or lost a value that may equal any other, O(table).
    pub(crate) fn rows_concerned(
        &self,
        table: &Table,
        set: u32,
        bindings: &IdSet,
        sets: &LiveSets,
        work: &mut Work,
        out: &mut Vec<u32>,
    ) {
        for changed in sets.changed_keys(set) {
            let Some(key) = changed else { return out.extend(table.rows().map(|(row, _)| row)) };
            for (membership, with_value) in &self.wiring.memberships {
                let rows = table.arrangements.count(*with_value, key, None, bindings.len());
                work.indexes_probed += 1;
                match self.narrower_access(membership).filter(|_| bindings.len() <= rows) {
                    // There are fewer bindings than rows with the value: each of them knows which of these are its own.
                    Some((access, arrangement)) => {
                        let mut numbers = Members::new();
                        bindings.append_to(&mut numbers);
                        for binding in numbers.iter().filter_map(|number| self.bindings.get(*number)) {
                            let bounds = access.between.map(|between| between.bounds(&binding.slots));
                            let Keys::These(keys) = access.sought_rows_with(key, &binding.slots) else {
                                table.arrangements.find(*with_value, &[key], None, out);
                                continue;
                            };
                            work.indexes_probed += keys.len() as u64;
                            table.arrangements.find(arrangement, &keys, bounds, out);
                        }
                    }
                    None => table.arrangements.find(*with_value, &[key], None, out),
                }
            }
        }
    }

    /// The access that leads to rows by a membership and by more than that, with its arrangement.
    fn narrower_access(&self, membership: &Membership) -> Option<(&Access, u32)> {
        let Routing::Indexed(accesses) = &self.wiring.routing else { return None };
        let ([access], [arrangement]) = (&accesses[..], &self.wiring.arrangements[..]) else { return None };
        let is_own = access.member == Some(Member::Set { column: membership.column, slot: membership.slot });
        let is_narrower = !access.equal.is_empty() || access.between.is_some();
        (is_own && is_narrower && !membership.is_negated).then_some((access, *arrangement))
    }

    /// What changes of live sets mean to a row that is as before. `bindings` are those that test membership in them.
    /// O(candidates of the row, or bindings if these are fewer).
    pub(crate) fn turn(
        &self,
        number: u32,
        view: RowView<'_>,
        bindings: &[&IdSet],
        with: Evaluation<'_>,
        work: &mut Work,
    ) -> Transition {
        work.rows_examined += 1;
        let columns = self.columns(view, with.library);
        let candidates = self.turning_candidates(&columns, bindings, with.sets, work);
        work.bindings_probed += candidates.len() as u64;
        let (mut before, mut after) = (Standing::default(), Standing::default());
        for candidate in candidates {
            let Some(binding) = self.bindings.get(candidate) else { continue };
            let holds = |moment| self.holds(&columns, &binding.slots, moment, with);
            match (holds(Moment::Before), holds(Moment::Now)) {
                (true, false) => before.members.push(candidate),
                (false, true) => after.members.push(candidate),
                _ => {}
            }
        }
        for standing in [&mut before, &mut after] {
            if self.key.is_windowed && !standing.members.is_empty() {
                standing.position = Some(self.position(number, view, &columns));
            }
        }
        Transition::Move { before, after }
    }

    /// The bindings among those that test membership in changed sets which a row with these columns may belong to.
    fn turning_candidates(
        &self,
        columns: &Columns<'_>,
        bindings: &[&IdSet],
        sets: &LiveSets,
        work: &mut Work,
    ) -> Members {
        let mut candidates = Members::new();
        let most = bindings.iter().map(|bindings| bindings.len()).sum();
        if most > 1 && self.has_fewer_candidates(most, columns, sets, work) {
            self.add_candidates(columns, sets, &mut candidates, work);
            candidates.retain(|candidate| bindings.iter().any(|bindings| bindings.contains(*candidate)));
        } else {
            bindings.iter().for_each(|bindings| bindings.append_to(&mut candidates));
            candidates.sort_unstable();
            candidates.dedup();
        }
        candidates
    }

    /// Whether a row with these columns has fewer candidates than this. O(`most`).
    fn has_fewer_candidates(&self, most: usize, columns: &Columns<'_>, sets: &LiveSets, work: &mut Work) -> bool {
        let Routing::Indexed(accesses) = &self.wiring.routing else { return self.bindings.len() < most };
        let mut count = self.unindexed.len();
        let is_indexed = accesses.iter().zip(&self.indexes).all(|(access, index)| {
            if index.is_in_many_sets(access, columns, sets, most) {
                count = most;
            }
            count < most
                && index.visit(access, columns, sets, work, |ids| {
                    count += ids.len();
                    count < most
                })
        });
        count < most && (is_indexed || self.bindings.len() < most)
    }
}
