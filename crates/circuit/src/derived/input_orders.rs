//! How the rows that an operator derives are ordered, after those of its inputs.

use std::sync::Arc;

use crate::plan::OrderKey;
use crate::value::Value;

/// The orders of an operator's inputs, joined into one behind the number of the input: for each order that any of them
/// has, its keys. A row has values for the keys of its own input, and `NONE` for those of others.
#[derive(Debug, Default)]
pub(crate) struct InputOrders {
    /// The keys; their columns are those of the inputs, and say nothing here.
    pub(crate) joined: Arc<[OrderKey]>,
    /// Where the keys of each input begin.
    offsets: Box<[usize]>,
}

impl InputOrders {
    /// O(inputs · different orders).
    pub(crate) fn of<'a>(orders: impl Iterator<Item = &'a [OrderKey]>) -> Self {
        let mut joined: Vec<OrderKey> = Vec::new();
        let mut known: Vec<(&[OrderKey], usize)> = Vec::new();
        let mut offsets = Vec::new();
        for order in orders {
            let offset = match known.iter().find(|(other, _)| is_same(other, order)) {
                Some((_, offset)) => *offset,
                None => {
                    known.push((order, joined.len()));
                    joined.extend_from_slice(order);
                    joined.len() - order.len()
                }
            };
            offsets.push(offset);
        }
        InputOrders { joined: joined.into(), offsets: offsets.into() }
    }

    /// The place of a row of an input, whose order gives it these keys.
    pub(crate) fn place(&self, input: u32, keys: Vec<Value>) -> Vec<Value> {
        if keys.len() == self.joined.len() {
            return keys;
        }
        let mut place = vec![Value::None; self.joined.len()];
        let offset = self.offsets.get(input as usize).copied().unwrap_or_default();
        place.iter_mut().skip(offset).zip(keys).for_each(|(place, key)| *place = key);
        place
    }
}

/// Whether rows with the same keys come in the same order.
fn is_same(a: &[OrderKey], b: &[OrderKey]) -> bool {
    let is_same = |(a, b): (&OrderKey, &OrderKey)| OrderKey { column: b.column, ..*a } == *b;
    a.len() == b.len() && a.iter().zip(b).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches rows of one input that are ordered as those of another.
    #[test]
    fn each_input_keeps_its_own_order() {
        let (up, down) = (OrderKey::new(3, false), OrderKey::new(7, true));
        let orders = InputOrders::of([&[up][..], &[], &[down, up], &[OrderKey::new(9, false)]].into_iter());
        assert_eq!(orders.joined[..], [up, down, up]);
        let place = |input, keys: &[i64]| orders.place(input, keys.iter().map(|key| Value::Int(*key)).collect());
        let expected = |keys: [Option<i64>; 3]| keys.map(|key| key.map_or(Value::None, Value::Int)).to_vec();
        assert_eq!(place(0, &[1]), expected([Some(1), None, None]));
        assert_eq!(place(1, &[]), expected([None, None, None]));
        assert_eq!(place(2, &[2, 3]), expected([None, Some(2), Some(3)]));
        assert_eq!(place(3, &[4]), expected([Some(4), None, None]));
    }
}
