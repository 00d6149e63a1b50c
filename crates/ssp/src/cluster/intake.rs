//! From events to what the engine is told.

use std::collections::HashSet;

use bytes::Bytes;
use circuit::{Change, RecordId, SameRecord};
use cluster::{Event, EventError, Read};

use crate::adoption::Tables;
use crate::command::{Command, EngineSender};
use crate::error::Error;

/// Takes events in, in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Intake {
    engine: EngineSender,
    tables: Tables,
    /// Committed changes that are not told yet: what was committed together is told together.
    changes: Vec<Change>,
    /// The table that is being read, by the scheduler.
    reading: Option<Reading>,
    /// Whether the scheduler has lost changes and reads all tables again.
    is_doubtful: bool,
}

/// The rows of a table that have been read.
#[derive(Debug)]
struct Reading {
    table: String,
    /// Where the first part began. What is held up to there was there when it did.
    after: Option<RecordId>,
    rows: HashSet<SameRecord>,
}

/// Why an event can't be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Stopped(#[from] Error),
}

impl Intake {
    pub(crate) fn new(engine: EngineSender, tables: Tables) -> Self {
        Intake { engine, tables, changes: Vec::new(), reading: None, is_doubtful: false }
    }

    /// Whether what is held is what the database had at some moment.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_doubtful
    }

    /// Takes events in and tells the engine. The rest of a transaction that is not complete yet waits.
    pub(crate) async fn take_in(&mut self, events: &[(u64, Bytes)]) -> Result<(), IntakeError> {
        let mut complete = 0;
        for (_, event) in events {
            match Event::decode(event)? {
                Event::Committed { changes, continues, .. } => {
                    self.changes.extend(changes);
                    if !continues {
                        complete = self.changes.len();
                    }
                }
                // What comes of these is committed later.
                Event::Announced { .. } | Event::GivenUp { .. } => {}
                other => {
                    self.tell_changes(complete).await?;
                    complete = 0;
                    self.other(other).await?;
                }
            }
        }
        self.tell_changes(complete).await
    }

    async fn tell_changes(&mut self, complete: usize) -> Result<(), IntakeError> {
        if complete > 0 {
            let rest = self.changes.split_off(complete);
            let changes = std::mem::replace(&mut self.changes, rest);
            self.send(Command::Commit(changes)).await?;
        }
        Ok(())
    }

    async fn other(&mut self, event: Event) -> Result<(), IntakeError> {
        match event {
            Event::Committed { .. } | Event::Announced { .. } | Event::GivenUp { .. } => {}
            Event::Began { .. } => {
                self.is_doubtful = true;
                self.reading = None;
            }
            Event::Whole => self.is_doubtful = false,
            Event::Gone { table } => {
                self.tables.remove(&table);
                let gone = Command::Loaded { table: table.into(), after: None, rows: HashSet::new() };
                self.send(gone).await?;
            }
            Event::Read(Read { table, id, after, rows, is_last }) => {
                let mut reading = match self.reading.take() {
                    Some(reading) if reading.table == table && after.is_some() => reading,
                    _ => Reading { table, after, rows: HashSet::new() },
                };
                reading.rows.extend(rows.iter().map(|row| SameRecord::from(row.id.clone())));
                self.send(Command::Commit(rows)).await?;
                if !is_last {
                    self.reading = Some(reading);
                    return Ok(());
                }
                let Reading { table, after, rows } = reading;
                self.send(Command::Loaded { table: table.as_str().into(), after, rows }).await?;
                self.tables.insert(table, id);
            }
        }
        Ok(())
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.engine.send(command).await.map_err(|_| Error::engine_ended())
    }
}

#[cfg(test)]
mod tests {
    use circuit::Key;
    use cluster::{Announcement, Goal};
    use tokio::sync::mpsc;

    use super::*;

    fn row(key: i64) -> Change {
        Change { id: RecordId::new("t", Key::Int(key)), version: 1, content: Some(circuit::Object::from_iter([])) }
    }

    fn committed(keys: &[i64], continues: bool) -> Event {
        Event::Committed { stamp: 1, continues, changes: keys.iter().map(|key| row(*key)).collect() }
    }

    fn read(after: Option<i64>, keys: &[i64], is_last: bool) -> Event {
        let after = after.map(|key| RecordId::new("t", Key::Int(key)));
        let rows = keys.iter().map(|key| row(*key)).collect();
        Event::Read(Read { table: "t".to_owned(), id: 7, after, rows, is_last })
    }

    /// What the engine is told of events that come in these deliveries.
    async fn told(deliveries: &[&[Event]]) -> (Vec<String>, Tables) {
        let (engine, mut commands) = mpsc::channel(100);
        let tables = Tables::new(mpsc::channel(1).0);
        let mut intake = Intake::new(engine, tables.clone());
        for delivery in deliveries {
            let encoded: Vec<_> = delivery.iter().map(|event| (0, event.encode().unwrap())).collect();
            intake.take_in(&encoded).await.unwrap();
        }
        let mut told = Vec::new();
        while let Ok(command) = commands.try_recv() {
            told.push(match command {
                Command::Commit(changes) => format!("commit {}", changes.len()),
                Command::Loaded { after, rows, .. } => format!("loaded {} {}", after.is_some(), rows.len()),
                other => format!("{other:?}"),
            });
        }
        (told, tables)
    }

    #[tokio::test]
    async fn what_was_committed_together_is_told_together() {
        let (told, _) = told(&[
            &[committed(&[1], false), committed(&[2, 3], true)],
            &[committed(&[4], true)],
            &[committed(&[5], false), committed(&[6], false)],
        ])
        .await;
        assert_eq!(told, ["commit 1", "commit 5"]);
    }

    #[tokio::test]
    async fn what_is_only_announced_is_not_told() {
        let announced = Event::Announced { records: vec![Announcement { id: row(1).id, goal: Goal::UNKNOWN }] };
        let given_up = Event::GivenUp { records: vec![(row(1).id, 1)] };
        let (told, _) = told(&[
            &[announced.clone(), committed(&[2], true)],
            &[committed(&[3], false), announced.clone(), committed(&[4], false), given_up],
            &[announced],
        ])
        .await;
        assert_eq!(told, ["commit 3"]);
    }

    #[tokio::test]
    async fn a_table_is_known_when_its_last_part_is_there() {
        let (told, tables) = told(&[&[read(None, &[1, 2], false)], &[read(Some(2), &[3], true)]]).await;
        assert_eq!(told, ["commit 2", "commit 1", "loaded false 3"]);
        assert_eq!(tables.all().get("t"), Some(&7));
        let (told, tables) = self::told(&[&[read(Some(2), &[3], true), Event::Gone { table: "t".to_owned() }]]).await;
        assert_eq!(told, ["commit 1", "loaded true 1", "loaded false 0"]);
        assert!(tables.all().is_empty());
    }
}
