//! Somebody who holds a copy of the database: a sidecar, or the replica of a scheduler.

use std::collections::HashMap;

use protocol::{
    ContentHash, Holdings, PoolStatus, RecordHash, RecordPage, RecordsRequest, RepairRequest, ViewComparison, ViewKey,
    ViewsRequest,
};
use url::form_urlencoded::byte_serialize;

use crate::error::Error;
use crate::sidecar::Sidecar;
use crate::target::Target;

/// A holder of a copy.
pub(super) struct Copy {
    sidecar: Sidecar,
}

impl Copy {
    pub(super) fn new(target: &Target) -> Result<Self, Error> {
        Ok(Self { sidecar: Sidecar::new(&target.ssp, target.secret.as_ref())? })
    }

    /// The copies that an address stands for: that of the sidecar there; or of the scheduler, and of all its sidecars.
    pub(super) async fn behind(target: &Target) -> Result<Vec<Self>, Error> {
        let first = Copy::new(target)?;
        let pool: PoolStatus = match first.sidecar.get("/status").await {
            Err(Error::Refused { status: 404, .. }) => return Ok(vec![first]),
            status => status?,
        };
        let mut copies = vec![first];
        for ssp in pool.ssps {
            let invalid = |error| Error::Usage(format!("the address of the sidecar {}: {error}", ssp.ssp_id));
            let address = url::Url::parse(&ssp.url).map_err(invalid)?;
            copies.push(Self { sidecar: Sidecar::new(&address, target.secret.as_ref())? });
        }
        Ok(copies)
    }

    pub(super) fn name(&self) -> &str {
        self.sidecar.address()
    }

    /// Refuses to compare with a copy of another database.
    pub(super) async fn check(&self, database: &str) -> Result<(), Error> {
        let holds = self.holdings().await?.database;
        if holds == database {
            return Ok(());
        }
        Err(Error::Usage(format!("{} is a copy of {holds}, not of {database}", self.name())))
    }

    /// What it holds, when it has taken in everything that was committed before the call.
    pub(super) async fn holdings(&self) -> Result<Holdings, Error> {
        self.sidecar.get("/verify").await
    }

    /// The views that it keeps.
    pub(super) async fn views(&self) -> Result<Vec<ViewKey>, Error> {
        self.sidecar.get("/verify/views").await
    }

    /// The hashes of all records of a table by their ids. One request for each 5,000.
    pub(super) async fn records_of(&self, table: &str) -> Result<HashMap<String, Option<ContentHash>>, Error> {
        // In a path a space is no plus.
        let table = byte_serialize(table.as_bytes()).collect::<String>().replace('+', "%20");
        let mut records = HashMap::new();
        let mut beginning = String::new();
        loop {
            let page: RecordPage = self.sidecar.get(&format!("/verify/table/{table}{beginning}")).await?;
            records.extend(page.records.into_iter().map(|record| (record.id, record.hash)));
            beginning = match (page.next, page.after) {
                (Some(place), _) => format!("?from={place}"),
                (None, Some(id)) => format!("?after={}", byte_serialize(id.as_bytes()).collect::<String>()),
                (None, None) => return Ok(records),
            };
        }
    }

    /// The hashes of some records, in the order asked for, when everything committed before the call has been taken in.
    pub(super) async fn records(&self, ids: Vec<String>) -> Result<Vec<Option<ContentHash>>, Error> {
        let records: Vec<RecordHash> = self.sidecar.post("/verify/records", &RecordsRequest { records: ids }).await?;
        Ok(records.into_iter().map(|record| record.hash).collect())
    }

    /// Lets it read a table again.
    pub(super) async fn reread(&self, table: &str) -> Result<(), Error> {
        let body = RepairRequest { tables: vec![table.to_owned()] };
        match self.sidecar.tell("/verify/repair", &body).await {
            // A large table takes longer than a request may. It is read all the same, and what comes next waits for it.
            Err(Error::Refused { status: 504, .. }) => self.wait().await,
            outcome => outcome,
        }
    }

    /// Waits until it has done what it was asked for.
    async fn wait(&self) -> Result<(), Error> {
        loop {
            match self.holdings().await {
                Err(Error::Refused { status: 504, .. }) => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    /// Lets it compare, and repair if told so, what is stored of views that it keeps.
    pub(super) async fn compare_views(&self, views: &[ViewKey], fix: bool) -> Result<Vec<ViewComparison>, Error> {
        self.sidecar.post("/verify/views", &ViewsRequest { views: views.to_vec(), fix }).await
    }
}
