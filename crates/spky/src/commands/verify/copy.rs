//! Somebody who holds a copy of the database: a sidecar.

use std::collections::HashMap;

use protocol::{
    ContentHash, Holdings, RecordHash, RecordPage, RecordsRequest, RepairRequest, ViewComparison, ViewKey, ViewsRequest,
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

    pub(super) fn name(&self) -> &str {
        self.sidecar.address()
    }

    /// Refuses to compare with a copy of another database.
    pub(super) async fn check(&self, database: &str) -> Result<(), Error> {
        let holds = self.holdings().await?.database;
        if holds == database {
            return Ok(());
        }
        Err(Error::Usage(format!("{} is a sidecar of {holds}, not of {database}", self.name())))
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
        let mut from = Some(0);
        while let Some(place) = from {
            let page: RecordPage = self.sidecar.get(&format!("/verify/table/{table}?from={place}")).await?;
            records.extend(page.records.into_iter().map(|record| (record.id, record.hash)));
            from = page.next;
        }
        Ok(records)
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
