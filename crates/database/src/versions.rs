//! The versions of all records, without their contents: enough to tell which of them have changed since they were read.

use std::ops::Bound;

use circuit::{Key, RecordId, Value};
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::convert::to_sdk;
use crate::error::{Error, Result};
use crate::pages::{array, converting, record_id, version_from};
use crate::scan::{self, SOURCE};

/// What is counted of a record.
#[derive(Clone, Debug)]
pub struct Counted {
    pub id: RecordId,
    pub version: u64,
    /// Whether the record was deleted last. Of one that was deleted by an older release this is not known.
    pub is_gone: bool,
}

impl Database {
    /// What is counted of the records behind `after`, of all tables, at most `limit` of them. Fewer are the last. One request.
    ///
    /// A record that has not changed since its table was captured is not counted, and has the version
    /// [`FIRST_VERSION`](crate::FIRST_VERSION).
    pub async fn counted(&self, after: Option<&RecordId>, limit: usize) -> Result<Vec<Counted>> {
        const ACTION: &str = "reading the versions of records";
        let start = match after {
            None => Bound::Unbounded,
            Some(id) => {
                let key = Key::Array([Value::from(id.clone())].into());
                Bound::Excluded(to_sdk(&Value::from(key)).map_err(converting(ACTION))?)
            }
        };
        let mut variables = Variables::new();
        scan::bind(&mut variables, &self.names().version(), start, Bound::Unbounded);
        variables.insert("limit", limit as i64);
        let text = format!("SELECT VALUE [record::id(id)[0], version, gone] FROM {SOURCE} LIMIT $limit");
        let answer = match self.run(ACTION, text, variables).await {
            Err(Error::NoSuchTable { .. }) => return Ok(Vec::new()),
            answer => answer?.take(0)?,
        };
        let counted = array(ACTION, answer)?.into_iter().map(|entry| {
            let [id, version, gone] = <[sdk::Value; 3]>::try_from(array(ACTION, entry)?)
                .map_err(|_| Error::answer(ACTION, "expected an id, a version and whether the record is gone"))?;
            let is_gone = gone == sdk::Value::Bool(true);
            Ok(Counted { id: record_id(ACTION, id)?, version: version_from(ACTION, version)?, is_gone })
        });
        counted.collect()
    }
}
