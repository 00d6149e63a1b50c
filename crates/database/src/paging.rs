//! How a page is asked for, in as many parts as it takes. Whoever asks may be connected with the database, or ask somebody
//! who is.

use std::ops::Bound;

use circuit::{RecordId, Value};
use protocol::Names;
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::convert::to_sdk;
use crate::error::{Error, Result};
use crate::ident::escape;
use crate::pages::{PAGE, Page, array, converting};
use crate::scan::{self, SOURCE};

/// A page that is being read.
///
/// ```no_run
/// # fn post(question: Vec<u8>) -> Vec<u8> { question }
/// # fn example() -> database::Result<database::Page> {
/// let mut paging = database::Paging::new(&protocol::Names::default(), "thread", None, 1_000);
/// while let Some(question) = paging.question()? {
///     // Or `paging.too_large()`, if the answer would be.
///     paging.answered(&post(question))?;
/// }
/// # Ok(paging.finish())
/// # }
/// ```
#[derive(Debug)]
pub struct Paging {
    table: String,
    version_table: String,
    after: Option<RecordId>,
    limit: usize,
    /// How many records are asked for at once.
    step: usize,
    page: Page,
}

impl Paging {
    /// The records of a table behind `after`, in the order of their keys, at most `limit` of them.
    pub fn new(names: &Names, table: &str, after: Option<&RecordId>, limit: usize) -> Paging {
        let (table, version_table) = (table.to_owned(), names.version());
        Paging { table, version_table, after: after.cloned(), limit, step: limit, page: Page::default() }
    }

    /// How many records are to be asked for now.
    fn count(&self) -> usize {
        self.step.min(self.limit.saturating_sub(self.page.rows.len()))
    }

    /// What is to be asked next; nothing if the page is complete.
    pub(crate) fn next(&self) -> Result<Option<(String, Variables)>> {
        let count = self.count();
        if count == 0 || self.page.is_last {
            return Ok(None);
        }
        let variables = self.rest(count)?;
        // The version rows are ordered as their records are, so that both are one scan. Looking each of them up takes
        // five times as long.
        let version = escape(&self.version_table);
        let text = format!(
            "{{ LET $rows = SELECT * FROM {SOURCE} LIMIT $limit; \
             LET $first = array::first($rows).id; LET $last = array::last($rows).id; \
             RETURN [$rows, (SELECT VALUE [record::id(id)[0], version] FROM {version}:[$first]..=[$last])]; }}"
        );
        Ok(Some((text, variables)))
    }

    /// Asks for the id of the next record.
    pub(crate) fn next_id(&self) -> Result<(String, Variables)> {
        Ok((format!("SELECT VALUE id FROM {SOURCE} LIMIT $limit"), self.rest(1)?))
    }

    /// Lets [`SOURCE`] be what has not been read yet, up to so many records.
    fn rest(&self, count: usize) -> Result<Variables> {
        let mut variables = Variables::new();
        variables.insert("limit", count as i64);
        let behind = self.page.end()?;
        let start = match behind.as_ref().or(self.after.as_ref()) {
            None => Bound::Unbounded,
            Some(id) => Bound::Excluded(to_sdk(&Value::from(id.key.clone())).map_err(converting(PAGE))?),
        };
        scan::bind(&mut variables, &self.table, start, Bound::Unbounded);
        Ok(variables)
    }

    /// Takes the answer to [`Paging::next`].
    pub(crate) fn take(&mut self, answer: sdk::Value) -> Result<()> {
        let [rows, versions] = <[sdk::Value; 2]>::try_from(array(PAGE, answer)?)
            .map_err(|_| Error::answer(PAGE, "expected rows and versions"))?;
        let (rows, count) = (array(PAGE, rows)?, self.count());
        self.page.is_last = rows.len() < count;
        self.page.rows.extend(rows);
        self.page.versions.extend(array(PAGE, versions)?);
        Ok(())
    }

    /// There is nothing more, or no such table.
    pub(crate) fn end(&mut self) {
        self.page.is_last = true;
    }

    /// Asks for less next time, as the last answer would not have fitted into a message.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if that was a single record.
    pub fn too_large(&mut self) -> Result<()> {
        let count = self.count();
        if count <= 1 {
            let reason = format!("a record of {} exceeds the limit", self.table);
            return Err(Error::TooLarge { action: PAGE, reason });
        }
        self.step = (count / 4).max(1);
        tracing::debug!(self.table, self.step, "a page may be too large, asking for less");
        Ok(())
    }

    /// The page.
    pub fn finish(self) -> Page {
        self.page
    }
}
