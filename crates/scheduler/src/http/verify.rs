//! `/verify` and what is below it: comparing the replica with the database, for `spky verify`, with the endpoints that a sidecar
//! has.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use circuit::{Change, RecordId, row_hash};
use database::json::id_text;
use protocol::{ErrorCode, Holdings, RecordHash, RecordPage, RecordsRequest, RepairRequest, ViewKey};
use serde::Deserialize;
use serving::{Body, Failure};
use tokio::sync::oneshot;

use super::openapi::{OfComparison, OfJoining, OfPage};
use super::{Context, not_ready, unavailable};
use crate::capture::Errand;

/// How many records are looked at in one request.
const MOST: usize = 1_000;
/// How long the replica may take to have what the log has.
const PATIENCE: Duration = Duration::from_secs(50);

/// Where a page begins.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Beginning {
    /// The `after` of the page before.
    after: Option<String>,
}

/// The number of rows and the content hash of each table, when everything has been taken in that was committed before this
/// request.
#[utoipa::path(
    get,
    path = "/verify",
    responses((status = 200, description = "What the replica holds, in short", body = Holdings), OfComparison)
)]
pub(super) async fn holdings(State(context): State<Context>) -> Result<Json<Holdings>, Failure> {
    let replica = context.coordinator.replica();
    up_to_date(&context, Vec::new()).await?;
    let tables = replica.freeze().await.map_err(|error| not_ready(error.to_string()))?.contents().clone();
    Ok(Json(Holdings { database: format!("{}/{}", context.namespace, context.database), tables }))
}

/// The hashes of the records of a table, in the order of their keys.
#[utoipa::path(
    get,
    path = "/verify/table/{table}",
    params(("table" = String, Path, description = "The table"), Beginning),
    responses((status = 200, description = "Some records", body = RecordPage), OfPage)
)]
pub(super) async fn table(
    State(context): State<Context>,
    table: Result<Path<String>, PathRejection>,
    beginning: Result<Query<Beginning>, QueryRejection>,
) -> Result<Json<RecordPage>, Failure> {
    let Path(table) = table.map_err(|rejection| invalid(rejection.body_text()))?;
    let Query(Beginning { after }) = beginning.map_err(|rejection| invalid(rejection.body_text()))?;
    let after = after.as_deref().map(record_id).transpose()?;
    let proxy = context.coordinator.replica().proxy();
    let page = proxy.page(&table, after.as_ref(), MOST).await.map_err(|error| unavailable(&error))?;
    let is_last = page.is_last();
    let rows = page.changes().map_err(|error| unavailable(&error))?;
    let after = if is_last { None } else { rows.last().map(|row| id_text(&row.id)) };
    Ok(Json(RecordPage { records: rows.iter().map(hash).collect(), next: None, after }))
}

/// The hashes of some records, at most 1,000, in the order asked for: when everything has been taken in that was committed
/// before this request.
#[utoipa::path(
    post,
    path = "/verify/records",
    request_body = RecordsRequest,
    responses((status = 200, description = "Their hashes", body = Vec<RecordHash>), OfJoining)
)]
pub(super) async fn records(
    State(context): State<Context>,
    Body(RecordsRequest { records }): Body<RecordsRequest>,
) -> Result<Json<Vec<RecordHash>>, Failure> {
    if records.len() > MOST {
        return Err(invalid(format!("at most {MOST} at once, and these are {}", records.len())));
    }
    let ids: Vec<RecordId> = records.iter().map(|text| record_id(text)).collect::<Result<_, _>>()?;
    up_to_date(&context, Vec::new()).await?;
    let proxy = context.coordinator.replica().proxy();
    let found = proxy.records(&ids).await.map_err(|error| unavailable(&error))?;
    let hashes = records.into_iter().zip(&found).map(|(id, row)| RecordHash { id, ..hash(row) });
    Ok(Json(hashes.collect()))
}

/// Reads tables again, for the replica and all sidecars. Answers when the replica has them; where the request is given up
/// before, it goes on all the same.
#[utoipa::path(
    post,
    path = "/verify/repair",
    request_body = RepairRequest,
    responses((status = 200, description = "The tables are read"), OfJoining)
)]
pub(super) async fn repair(
    State(context): State<Context>,
    Body(RepairRequest { tables }): Body<RepairRequest>,
) -> Result<StatusCode, Failure> {
    up_to_date(&context, tables).await.map(|()| StatusCode::OK)
}

/// The scheduler keeps no views itself.
#[utoipa::path(
    get,
    path = "/verify/views",
    responses((status = 200, description = "None", body = Vec<ViewKey>))
)]
pub(super) async fn views() -> Json<Vec<ViewKey>> {
    Json(Vec::new())
}

/// Waits until the replica holds all that was committed before, with these tables read again.
async fn up_to_date(context: &Context, reread: Vec<String>) -> Result<(), Failure> {
    let (done, reached) = oneshot::channel();
    let errand = Errand { adopt: Vec::new(), reread, done };
    context.errands.send(errand).await.map_err(|_| not_ready("the scheduler is shutting down"))?;
    let head = reached.await.map_err(|_| unavailable(&"the database could not be asked"))?;
    let replica = context.coordinator.replica();
    replica.update_now();
    let mut position = replica.position();
    let reached = position.wait_for(|position| *position >= head);
    match tokio::time::timeout(PATIENCE, reached).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(not_ready("the scheduler is shutting down")),
        Err(_) => Err(not_ready("the replica stands still, because a sidecar loads it")),
    }
}

fn record_id(text: &str) -> Result<RecordId, Failure> {
    query::parse_record_id(text).map_err(|error| invalid(format!("`{text}`: {error}")))
}

fn hash(row: &Change) -> RecordHash {
    let hash = row.content.as_ref().map(|content| row_hash(&row.id, content).into());
    RecordHash { id: id_text(&row.id), hash }
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorCode::InvalidRequest, message)
}
