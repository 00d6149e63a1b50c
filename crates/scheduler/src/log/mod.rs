//! The log of events: what was acknowledged stays, in one order, under one number.
//!
//! [`EventLog`] is the seam between the scheduler and whatever keeps its events. [`wal`] keeps them in files of one
//! machine. When one machine is not enough, a distributed log takes its place; of NATS JetStream, for one, the contract
//! asks nothing that a stream does not have: sequence numbers from 1 without gaps, publishing that is acknowledged when
//! it is stored, reading from a number on, and purging up to one.

mod error;
pub mod wal;

use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

pub use error::{Error, Flaw};

/// An event under its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The first event of a log is 1, and none is left out.
    pub sequence: u64,
    /// What was appended. Payloads that were read together may share memory, which is there until the last one is
    /// dropped.
    pub payload: Bytes,
}

/// How much one answer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most records.
    pub records: usize,
    /// The most bytes of all payloads together.
    pub bytes: usize,
}

/// A durable, numbered sequence of opaque payloads, with one writer and any number of readers.
#[async_trait]
pub trait EventLog: Debug + Send + Sync {
    /// Appends payloads, and answers the number of the first; the others follow it without a gap. When this returns
    /// they are durable, and can be read.
    ///
    /// An append is kept whole or not at all. Appends that are under way at the same time take any order. One that
    /// failed, or was dropped before it returned, may be found in the log after a restart nevertheless.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room: what was acknowledged stays readable, and appends succeed again when there
    /// is. [`Error::Empty`], [`Error::TooMany`] and [`Error::TooLarge`] if the payloads are none that the log takes.
    async fn append(&self, payloads: Vec<Bytes>) -> Result<u64, Error>;

    /// The records from a number on, in order and without a gap. As many as the limit allows or fewer, but none only if
    /// `from` is the number that will be given next; the first one is there whatever its size.
    ///
    /// # Errors
    /// [`Error::Truncated`] and [`Error::Beyond`] if `from` is outside of the log, [`Error::Damaged`] if what was
    /// stored is not what was appended.
    async fn read(&self, from: u64, limit: Limit) -> Result<Vec<Record>, Error>;

    /// The numbers of the records that can be read. Its end is the number that will be given next, and stays when
    /// everything before it is removed.
    ///
    /// # Errors
    /// None as long as the log is on this machine.
    async fn range(&self) -> Result<Range<u64>, Error>;

    /// Removes records before a number, for good. Those that are stored together with later ones may stay.
    ///
    /// # Errors
    /// [`Error::Beyond`] if the log does not reach that far. After [`Error::Io`] some may have been removed, and the
    /// rest is when this is called again.
    async fn truncate_before(&self, sequence: u64) -> Result<(), Error>;
}
