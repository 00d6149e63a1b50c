//! Tables: number and content hash first, and where these differ, record by record.
//!
//! A table that is written to can't be read at one moment, so that its number and hash may differ and mean nothing. What a
//! record is can be read at one moment. A record counts as different if the database and the copy, which had caught up, say
//! the same two different things of it again and again, for longer than a change may take to reach the copy.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use circuit::{Change, RecordId, row_hash};
use database::{Database, SETTLE, Structure};
use protocol::{ContentHash, Holdings, TableContent};
use serde::Serialize;

use super::copy::Copy;
use crate::error::Error;

/// Rows that are read with one request.
const PAGE: usize = 1_000;
/// Pauses before each time that records are looked at again.
const PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(300), SETTLE.saturating_add(Duration::from_millis(500))];
/// Records that are looked at again: more than these are not needed to know that a table differs.
const MOST_SUSPECTS: usize = 10_000;
/// How often a table is read before it is given up because more than so many change while it is read.
const ROUNDS: usize = 5;
/// Records that are named.
const NAMED: usize = 20;

/// How a table compares with a copy of it.
#[derive(Debug, Serialize)]
pub(super) struct TableReport {
    pub(super) table: String,
    pub(super) copy: String,
    pub(super) state: State,
    /// In the database, when it was read.
    pub(super) rows: u64,
    /// Whether only ids were compared, because fields are computed when they are read.
    pub(super) ids_only: bool,
    #[serde(flatten)]
    pub(super) findings: Findings,
}

/// What differs of a table.
#[derive(Debug, Default, Serialize)]
pub(super) struct Findings {
    /// How many records, as far as they were looked at.
    pub(super) differences: usize,
    /// Whether there may be more than were looked at.
    pub(super) has_more: bool,
    /// Some of them.
    pub(super) records: Vec<Difference>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Equal,
    Different,
    /// It differed, and does not any more.
    Repaired,
}

/// A record that differs.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    pub(super) id: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Not in the copy.
    Missing,
    /// Not in the database.
    Extra,
    /// With another content.
    Other,
}

/// A table of the database.
struct Table<'a> {
    database: &'a Database,
    name: &'a str,
    ids_only: bool,
}

/// The same difference, seen every time: what the database says, and what the copy says.
type Suspects = HashMap<String, (RecordId, [Option<ContentHash>; 2])>;

/// Compares all tables with all copies, and lets those be read again that differ if told so. O(rows) of the database.
pub(super) async fn compare(database: &Database, copies: &[Copy], fix: bool) -> Result<Vec<TableReport>, Error> {
    let structure = database.structure().await.map_err(Error::database("can't list the tables"))?;
    let computed: HashSet<&str> = structure.computed_fields().map(|(table, _)| table).collect();
    let mut contents: Vec<(String, TableContent)> = Vec::new();
    for name in names(&structure, copies).await? {
        let table = Table { database, name: &name, ids_only: computed.contains(&*name) };
        let content = table.content().await?;
        contents.push((name, content));
    }
    let mut reports = Vec::new();
    for copy in copies {
        let holdings = copy.holdings().await?;
        for (name, content) in &contents {
            let table = Table { database, name, ids_only: computed.contains(&**name) };
            let findings = match table.is_equal(content, &holdings) {
                true => Findings::default(),
                false => table.look_closely(copy).await?,
            };
            let mut state = if findings.differences == 0 { State::Equal } else { State::Different };
            if fix && state == State::Different {
                copy.reread(name).await?;
                if table.look_closely(copy).await?.differences == 0 {
                    state = State::Repaired;
                }
            }
            let (table, copy, ids_only) = (name.clone(), copy.name().to_owned(), table.ids_only);
            let report = TableReport { table, copy, state, rows: content.rows, ids_only, findings };
            reports.push(report);
        }
    }
    Ok(reports)
}

/// The tables of the application, and those that a copy has and the database does not.
async fn names(structure: &Structure, copies: &[Copy]) -> Result<BTreeSet<String>, Error> {
    let tables = structure.tables.iter().filter(|table| !table.is_view);
    let mut names: BTreeSet<String> = tables.map(|table| table.name.clone()).collect();
    for copy in copies {
        names.extend(copy.holdings().await?.tables.into_keys());
    }
    Ok(names)
}

impl Table<'_> {
    fn hash(&self, row: &Change) -> Option<ContentHash> {
        let content = row.content.as_ref()?;
        Some(if self.ids_only { ContentHash::default() } else { row_hash(&row.id, content).into() })
    }

    /// One request for each 1,000 rows.
    async fn pages(&self, mut visit: impl FnMut(&Change)) -> Result<(), Error> {
        let mut last: Option<RecordId> = None;
        loop {
            let page = self.database.page(self.name, last.as_ref(), PAGE).await;
            let failed = || Error::database(format!("can't read the table {}", self.name));
            let page = page.map_err(failed())?;
            let is_last = page.is_last();
            let rows = page.changes().map_err(failed())?;
            rows.iter().for_each(&mut visit);
            match rows.last() {
                Some(end) if !is_last => last = Some(end.id.clone()),
                _ => return Ok(()),
            }
        }
    }

    async fn content(&self) -> Result<TableContent, Error> {
        let mut content = TableContent::default();
        self.pages(|row| {
            content.rows += 1;
            content.hash += self.hash(row).unwrap_or_default();
        })
        .await?;
        Ok(content)
    }

    fn is_equal(&self, content: &TableContent, holdings: &Holdings) -> bool {
        let held = holdings.tables.get(self.name).copied().unwrap_or_default();
        held.rows == content.rows && (self.ids_only || held.hash == content.hash)
    }

    /// Compares record by record. O(rows) of the database and of the copy.
    async fn look_closely(&self, copy: &Copy) -> Result<Findings, Error> {
        for _ in 0..ROUNDS {
            let (mut suspects, has_more) = self.suspects(copy).await?;
            for pause in PAUSES {
                if suspects.is_empty() {
                    break;
                }
                tokio::time::sleep(pause).await;
                self.look_again(copy, &mut suspects).await?;
            }
            if has_more && suspects.is_empty() {
                continue;
            }
            let differences = suspects.len();
            let records = suspects.into_iter().map(|(id, (_, facts))| difference(id, facts));
            let mut records: Vec<Difference> = records.collect();
            records.sort_by(|a, b| a.id.cmp(&b.id));
            records.truncate(NAMED);
            return Ok(Findings { differences, has_more, records });
        }
        Err(Error::Usage(format!("the table {} changes faster than it can be compared", self.name)))
    }

    /// The records of which the database and the copy say different things, one looked at after the other; and whether there
    /// are more.
    async fn suspects(&self, copy: &Copy) -> Result<(Suspects, bool), Error> {
        let mut has_more = false;
        let mut held = copy.records_of(self.name).await?;
        if self.ids_only {
            held.values_mut().for_each(|hash| *hash = Some(ContentHash::default()));
        }
        let mut suspects = Suspects::new();
        self.pages(|row| {
            let id = database::text::record_id(&row.id);
            let facts = [self.hash(row), held.remove(&id).flatten()];
            if facts[0] != facts[1] {
                if suspects.len() < MOST_SUSPECTS {
                    suspects.insert(id, (row.id.clone(), facts));
                } else {
                    has_more = true;
                }
            }
        })
        .await?;
        for (id, hash) in held {
            // What is no id is none of the database's.
            let Ok(record) = query::parse_record_id(&id) else { continue };
            if suspects.len() == MOST_SUSPECTS {
                has_more = true;
                break;
            }
            suspects.insert(id, (record, [None, hash]));
        }
        Ok((suspects, has_more))
    }

    /// Drops the suspects of which something else is said now. Two requests for each 1,000.
    async fn look_again(&self, copy: &Copy, suspects: &mut Suspects) -> Result<(), Error> {
        let ids: Vec<String> = suspects.keys().cloned().collect();
        for ids in ids.chunks(PAGE) {
            let records: Vec<RecordId> = ids.iter().filter_map(|id| Some(suspects.get(id)?.0.clone())).collect();
            let stored = self.database.records(&records).await;
            let stored = stored.map_err(Error::database(format!("can't read records of {}", self.name)))?;
            let held = copy.records(ids.to_vec()).await?;
            for ((id, stored), held) in ids.iter().zip(&stored).zip(held) {
                let held = if self.ids_only { held.map(|_| ContentHash::default()) } else { held };
                let facts = [self.hash(stored), held];
                let is_same = suspects.get(id).is_some_and(|(_, before)| *before == facts);
                if !is_same {
                    suspects.remove(id);
                }
            }
        }
        Ok(())
    }
}

fn difference(id: String, facts: [Option<ContentHash>; 2]) -> Difference {
    let kind = match facts {
        [_, None] => Kind::Missing,
        [None, _] => Kind::Extra,
        _ => Kind::Other,
    };
    Difference { id, kind }
}
