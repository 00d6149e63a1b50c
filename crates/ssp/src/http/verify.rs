//! `/verify` and what is below it: comparing this service with the database, for `spky verify`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use futures::{StreamExt, TryStreamExt, stream};
use protocol::{
    ErrorCode, Holdings, RecordHash, RecordPage, RecordsRequest, RepairRequest, TableContent, ViewComparison, ViewKey,
    ViewsRequest,
};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::openapi::{OfBody, OfComparison, OfEngine, OfPage};
use super::{Body, Context, Failure};
use crate::census::caught_up;
use crate::comparison::{ask, compare};
use crate::errand::Errand;
use crate::error::Error;
use crate::holdings::Question;
use crate::saved;
use database::json;

/// How many records or views are looked at in one request.
const MOST: usize = 1_000;
/// How many views are compared at once: each takes some requests, and the database answers several at a time.
const VIEWS_AT_ONCE: usize = 16;

/// Where a page begins.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Beginning {
    /// The `next` of the page before.
    #[serde(default)]
    #[param(value_type = u64, maximum = 4294967295_u32)]
    from: u32,
}

/// The number of rows and the content hash of each table, when everything has been taken in that was committed before this
/// request. O(tables).
#[utoipa::path(
    get,
    path = "/verify",
    responses((status = 200, description = "What is held, in short", body = Holdings), OfComparison)
)]
pub(super) async fn holdings(State(context): State<Context>) -> Result<Json<Holdings>, Failure> {
    context.check_ready()?;
    caught_up(&context.errands).await.map_err(|error| failure(&context, error))?;
    let held = ask(&context.engine, Question::Holdings).await.map_err(|error| failure(&context, error))?;
    let content = |name: String| {
        let digest = held.tables.get(name.as_str()).copied().unwrap_or_default();
        (name, TableContent { rows: digest.rows, hash: digest.hash.into() })
    };
    let tables: BTreeMap<String, TableContent> = context.tables.all().into_keys().map(content).collect();
    Ok(Json(Holdings { database: saved::name_of(&context.settings.database), tables }))
}

/// The hashes of the records of a table, in no particular order. A record that is there before the first page is asked for
/// and after the last is among them.
#[utoipa::path(
    get,
    path = "/verify/table/{table}",
    params(("table" = String, Path, description = "The table"), Beginning),
    responses((status = 200, description = "Some records", body = RecordPage), OfPage)
)]
pub(super) async fn table(
    State(context): State<Context>,
    table: Result<Path<String>, PathRejection>,
    from: Result<Query<Beginning>, QueryRejection>,
) -> Result<Json<RecordPage>, Failure> {
    context.check_ready()?;
    let invalid = |reason: String| Failure::new(ErrorCode::InvalidRequest, reason);
    let Path(table) = table.map_err(|rejection| invalid(rejection.body_text()))?;
    let Query(Beginning { from }) = from.map_err(|rejection| invalid(rejection.body_text()))?;
    let page = ask(&context.engine, |reply| Question::RowHashes { table, from, reply }).await;
    let page = page.map_err(|error| failure(&context, error))?;
    let records = page.rows.iter().map(|(id, hash)| RecordHash { id: json::id_text(id), hash: Some((*hash).into()) });
    Ok(Json(RecordPage { records: records.collect(), next: page.next, after: None }))
}

/// The hashes of some records, at most 1,000, in the order asked for: when everything has been taken in that was committed
/// before this request.
#[utoipa::path(
    post,
    path = "/verify/records",
    request_body = RecordsRequest,
    responses((status = 200, description = "Their hashes", body = Vec<RecordHash>), OfBody, OfComparison)
)]
pub(super) async fn records(
    State(context): State<Context>,
    Body(RecordsRequest { records }): Body<RecordsRequest>,
) -> Result<Json<Vec<RecordHash>>, Failure> {
    context.check_ready()?;
    check_number(records.len())?;
    let parse = |text: &String| {
        let invalid = |error: query::Error| Failure::new(ErrorCode::InvalidRequest, format!("`{text}`: {error}"));
        query::parse_record_id(text).map_err(invalid)
    };
    let ids = records.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    caught_up(&context.errands).await.map_err(|error| failure(&context, error))?;
    let hashes = ask(&context.engine, |reply| Question::RecordHashes { ids, reply }).await;
    let hashes = hashes.map_err(|error| failure(&context, error))?;
    let record = |(id, hash): (String, Option<u128>)| RecordHash { id, hash: hash.map(Into::into) };
    Ok(Json(records.into_iter().zip(hashes).map(record).collect()))
}

/// Reads tables again. Answers when that is done; where the request is given up before, it goes on all the same. A table that
/// is not kept up to date is left alone.
#[utoipa::path(
    post,
    path = "/verify/repair",
    request_body = RepairRequest,
    responses((status = 200, description = "The tables are read"), OfBody, OfComparison)
)]
pub(super) async fn repair(
    State(context): State<Context>,
    Body(RepairRequest { tables }): Body<RepairRequest>,
) -> Result<StatusCode, Failure> {
    context.check_ready()?;
    let (done, read) = oneshot::channel();
    context.errands.send(Errand::Reread { tables, done }).await.map_err(|_| context.gone())?;
    read.await.map(|()| StatusCode::OK).map_err(|_| failure(&context, Error::Interrupted))
}

/// The views that are kept, in their order. O(views).
#[utoipa::path(
    get,
    path = "/verify/views",
    responses((status = 200, description = "Their keys", body = Vec<ViewKey>), OfEngine)
)]
pub(super) async fn views(State(context): State<Context>) -> Result<Json<Vec<ViewKey>>, Failure> {
    context.check_ready()?;
    let mut views = ask(&context.engine, Question::Views).await.map_err(|error| failure(&context, error))?;
    views.sort();
    Ok(Json(views))
}

/// Compares what is stored of some views, at most 1,000, with what they show, and writes what differs if told so. O(results).
#[utoipa::path(
    post,
    path = "/verify/views",
    request_body = ViewsRequest,
    responses((status = 200, description = "How each of them compares", body = Vec<ViewComparison>), OfBody, OfComparison)
)]
pub(super) async fn compare_views(
    State(context): State<Context>,
    Body(ViewsRequest { views, fix }): Body<ViewsRequest>,
) -> Result<Json<Vec<ViewComparison>>, Failure> {
    context.check_ready()?;
    check_number(views.len())?;
    let compared = stream::iter(views).map(|view| compare(&context.database, &context.engine, view, fix));
    let compared = compared.buffered(VIEWS_AT_ONCE).try_collect().await;
    compared.map(Json).map_err(|error| failure(&context, error))
}

fn check_number(number: usize) -> Result<(), Failure> {
    if number <= MOST {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::InvalidRequest, format!("at most {MOST} at once, and these are {number}")))
}

fn failure(context: &Context, error: Error) -> Failure {
    match error {
        Error::Stopped(_) => context.gone(),
        error => Failure::new(ErrorCode::DatabaseUnavailable, error.to_string()),
    }
}
