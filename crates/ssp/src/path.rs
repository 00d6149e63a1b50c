//! Where a row stands in a view.

use std::sync::Arc;

use circuit::{Key, RecordId, SameRecord, Value};
use database::{EdgeId, RowId, storable};

/// A row of a view and the rows above it. The same record under two parents, or by two subqueries, has two paths.
///
/// Paths say nothing of the view, so that views of the same result share them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    /// The record; of a row that is no record, what tells it among its siblings.
    id: SameRecord,
    is_own: bool,
    under: Option<(Arc<Path>, Arc<str>)>,
}

impl Path {
    /// The path of a row: `under` is the row above it with the name of the subquery. `is_own` says that the row is no
    /// record, and so has a row record of its own.
    pub(crate) fn new(id: &Arc<RecordId>, is_own: bool, under: Option<(&Arc<Path>, &Arc<str>)>) -> Arc<Path> {
        let id = if is_own { Arc::new(RecordId::new("", Key::Array(own_key(id)))) } else { id.clone() };
        let under = under.map(|(parent, relation)| (parent.clone(), relation.clone()));
        Arc::new(Path { id: SameRecord(id), is_own, under })
    }

    /// The path that a stored edge stands for.
    pub(crate) fn of_edge(edge: &EdgeId, row_table: &str) -> Arc<Path> {
        if *edge.out.table == *row_table
            && let Some(row) = RowId::parse(&edge.out, &edge.table)
        {
            return Path::of_row(&row, row_table);
        }
        let under = edge.parent.as_deref();
        let under = under.map(|parent| (Path::of_edge(&parent.edge, row_table), parent.relation.clone()));
        Arc::new(Path { id: edge.out.clone().into(), is_own: false, under })
    }

    /// The path that a stored row record stands for.
    pub(crate) fn of_row(row: &RowId, row_table: &str) -> Arc<Path> {
        let key = match &row.row {
            Value::Array(items) => items.clone(),
            other => [other.clone()].into(),
        };
        let under = row.parent.as_deref();
        let under = under.map(|parent| (Path::of_edge(&parent.edge, row_table), parent.relation.clone()));
        Arc::new(Path { id: RecordId::new("", Key::Array(key)).into(), is_own: true, under })
    }

    pub(crate) fn id(&self) -> &Arc<RecordId> {
        &self.id.0
    }

    /// What tells a row that is no record among its siblings; nothing for a record.
    pub(crate) fn own_key(&self) -> Option<Value> {
        self.is_own.then(|| Value::from(self.id.0.key.clone()))
    }

    /// The row above, and the name of the subquery.
    pub(crate) fn under(&self) -> Option<(&Arc<Path>, &Arc<str>)> {
        self.under.as_ref().map(|(parent, relation)| (parent, relation))
    }
}

/// What the key of a row record says of a row that the engine derived: the values of a group's keys, or the row that was
/// split and the number of the part.
fn own_key(id: &RecordId) -> Arc<[Value]> {
    let Key::Array(items) = &id.key else { return [storable(&id.key.clone().into())].into() };
    if let (false, [row, part]) = (id.table.is_empty(), &**items)
        && let Some(key) = key_of(row)
    {
        return [RecordId::new(id.table.clone(), key).into(), part.clone()].into();
    }
    items.iter().map(storable).collect()
}

fn key_of(value: &Value) -> Option<Key> {
    Some(match value {
        Value::Int(number) => Key::Int(*number),
        Value::String(text) => Key::String(text.clone()),
        Value::Uuid(uuid) => Key::Uuid(*uuid),
        Value::Array(items) => Key::Array(items.clone()),
        Value::Object(object) => Key::Object(object.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::View;

    /// Catches an edge that an earlier process left and that is not recognised: it would be removed and written again.
    #[test]
    fn a_path_reads_back_from_what_is_stored() {
        let view = View::for_test("v");
        let thread = Arc::new(RecordId::new("thread", Key::Int(1)));
        let group = Arc::new(RecordId::new("", Key::Array([Value::from("open"), Value::Regex("a".into())].into())));
        let part = Arc::new(RecordId::new("thread", Key::Array([Value::from(1), Value::from(0)].into())));
        let (tags, stats): (Arc<str>, Arc<str>) = ("tags".into(), "stats".into());
        let record = Path::new(&thread, false, None);
        let split = Path::new(&part, true, Some((&record, &tags)));
        let own = Path::new(&group, true, Some((&split, &stats)));
        let below = Path::new(&thread, false, Some((&own, &tags)));
        for path in [&record, &split, &own, &below, &Path::new(&group, true, None)] {
            let edge = EdgeId::parse(&view.edge_id(path).record_id()).unwrap();
            assert_eq!(Path::of_edge(&edge, "_00_row"), *path);
            if let Some(row) = view.row_id(path) {
                let row = RowId::parse(&row.record_id(), &view.edge_table).unwrap();
                assert_eq!(Path::of_row(&row, "_00_row"), *path);
            }
        }
    }

    #[test]
    fn a_split_row_names_its_record() {
        let part = Arc::new(RecordId::new("thread", Key::Array([Value::from(1), Value::from(2)].into())));
        let thread = Value::from(RecordId::new("thread", Key::Int(1)));
        let expected: Value = [thread, Value::from(2)].into_iter().collect();
        assert_eq!(Path::new(&part, true, None).own_key(), Some(expected));
        assert_eq!(Path::new(&part, false, None).own_key(), None);
    }
}
