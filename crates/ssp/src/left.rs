//! What is in the database of views, whoever has written it.

use std::collections::{BTreeSet, HashMap};

use circuit::{RecordId, Value};
use database::{Database, EdgeId, view_of_row};

use crate::view::View;

/// What an earlier process has left of a view.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// The edges with their versions.
    pub(crate) edges: Vec<(EdgeId, u64)>,
    /// The row records with their versions and contents.
    pub(crate) rows: Vec<(RecordId, u64, Value)>,
}

impl Left {
    /// Reads what is there of a view. Two requests, more if that is much.
    pub(crate) async fn read(database: &Database, view: &View) -> Result<Left, database::Error> {
        let left = Left::read_all(database, &[view]).await?;
        Ok(left.into_iter().next().unwrap_or_default())
    }

    /// Reads what is there of each of several views, which are neighbours: in the order of their keys, with no other view in
    /// between. One request for their row records, and one for each table that holds their edges; more if that is much.
    ///
    /// An edge that is not like one of its view is as good as none.
    pub(crate) async fn read_all(database: &Database, views: &[&View]) -> Result<Vec<Left>, database::Error> {
        let (Some(first), Some(last)) = (views.first(), views.last()) else { return Ok(Vec::new()) };
        let places: HashMap<&str, usize> =
            views.iter().enumerate().map(|(place, view)| (view.key().as_str(), place)).collect();
        let mut left: Vec<Left> = views.iter().map(|_| Left::default()).collect();
        let tables: BTreeSet<&str> = views.iter().map(|view| &*view.edge_table).collect();
        for table in tables {
            let edges = match database.edges_between(first.key(), last.key(), table).await {
                // It has gone with the user.
                Err(database::Error::NoSuchTable { .. }) => continue,
                edges => edges?,
            };
            for edge in edges {
                let Some(&place) = places.get(edge.id.query.as_str()) else { continue };
                if *views[place].edge_table == *table && views[place].is_like_ours(&edge) {
                    left[place].edges.push((edge.id, edge.version));
                }
            }
        }
        for row in database.rows_between(first.key(), last.key()).await? {
            if let Some(&place) = view_of_row(&row.0).and_then(|key| places.get(key)) {
                left[place].rows.push(row);
            }
        }
        Ok(left)
    }
}
