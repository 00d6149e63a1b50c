//! `POST /ingest` and `/ingest/batch`: somebody says that records change.

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use circuit::{Key, Object, RecordId, Value};
use protocol::{ErrorCode, IngestRequest, Operation};

use super::cluster::check_alone;
use super::openapi::OfIngestion;
use super::{Body, Context, Failure, bytes_of};
use crate::command::{Command, Speculation};
use database::json;

/// Changes of one request: a JSON array, or one JSON object after the other, as in NDJSON.
pub(super) struct Changes(Vec<IngestRequest>);

/// Answers 200 as soon as the change is accepted in order. The payload is believed only as far as the database confirms
/// it.
#[utoipa::path(
    post,
    path = "/ingest",
    request_body = IngestRequest,
    responses((status = 200, description = "Accepted"), OfIngestion)
)]
pub(super) async fn ingest(
    State(context): State<Context>,
    Body(request): Body<IngestRequest>,
) -> Result<StatusCode, Failure> {
    check_can_ingest(&context)?;
    let speculation = speculation(&context, request)?;
    context.telling.counted.captured("push", 1, None);
    context.send(Command::Speculate(vec![speculation])).await?;
    Ok(StatusCode::OK)
}

/// As [`ingest`], for many changes, which reach the views together. Either all are accepted or, if one can't be, none.
#[utoipa::path(
    post,
    path = "/ingest/batch",
    request_body(
        description = "A JSON array, or one JSON object after the other, as in NDJSON",
        content((Vec<IngestRequest> = "application/json"), (String = "application/x-ndjson"))
    ),
    responses((status = 200, description = "All are accepted"), OfIngestion)
)]
pub(super) async fn ingest_batch(
    State(context): State<Context>,
    Changes(requests): Changes,
) -> Result<StatusCode, Failure> {
    check_can_ingest(&context)?;
    let mut speculations = Vec::with_capacity(requests.len());
    for (number, request) in (1..).zip(requests) {
        speculations
            .push(speculation(&context, request).map_err(|failure| failure.within(&format!("change {number}")))?);
    }
    if !speculations.is_empty() {
        context.telling.counted.captured("push", speculations.len(), None);
        context.send(Command::Speculate(speculations)).await?;
    }
    Ok(StatusCode::OK)
}

impl<S: Send + Sync> FromRequest<S> for Changes {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = bytes_of(request, state).await?;
        let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let changes = match is_array {
            true => serde_json::from_slice(&bytes),
            false => serde_json::Deserializer::from_slice(&bytes).into_iter().collect(),
        };
        changes.map(Changes).map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))
    }
}

fn check_can_ingest(context: &Context) -> Result<(), Failure> {
    context.check_ready()?;
    check_alone(context)?;
    if context.open.is_full() {
        let message = "more changes are announced than become visible in the database, try again later";
        return Err(Failure::new(ErrorCode::TooManyRequests, message));
    }
    Ok(())
}

fn speculation(context: &Context, request: IngestRequest) -> Result<Speculation, Failure> {
    if context.settings.names.is_system(&request.table) {
        let message = format!("the table {} belongs to Sp00ky itself", request.table);
        return Err(Failure::new(ErrorCode::InvalidRequest, message));
    }
    let id = record_id(&request.table, &request.id)?;
    let record = match &request.content {
        Some(content) => typed_record(content)?,
        None => json::object_from_json(request.record),
    };
    let version_field = context.settings.names.version_field();
    let version = match record.get(&version_field) {
        None | Some(Value::None | Value::Null) => None,
        Some(Value::Int(version)) if *version > 0 => Some(*version as u64),
        Some(_) => {
            let message = format!("the field `{version_field}` of the record must be a positive integer");
            return Err(Failure::new(ErrorCode::InvalidRequest, message));
        }
    };
    let content = match request.op {
        Operation::Delete => None,
        Operation::Create | Operation::Update => Some(content(&id, &record, &version_field)),
    };
    Ok(Speculation { id, version, content })
}

/// The record with all its types: CBOR in base64.
fn typed_record(content: &str) -> Result<Object, Failure> {
    let invalid =
        |reason: String| Failure::new(ErrorCode::InvalidRequest, format!("invalid field `content`: {reason}"));
    match database::cbor::decode_base64(content).map_err(|error| invalid(error.to_string()))? {
        Value::Object(object) => Ok((*object).clone()),
        _ => Err(invalid("it is no object".to_owned())),
    }
}

/// The record as it is stored: with its id and without its version.
fn content(id: &RecordId, record: &Object, version_field: &str) -> Object {
    let fields = record.iter().filter(|(name, _)| ***name != *version_field && &***name != "id");
    let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
    fields.chain([("id".into(), Value::from(id.clone()))]).collect()
}

/// The id of a record: `user:123`, or the key alone.
fn record_id(table: &str, text: &str) -> Result<RecordId, Failure> {
    let invalid = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
    match query::parse_record_id(text) {
        Ok(id) if *id.table == *table => Ok(id),
        Ok(id) => Err(invalid(format!("the id `{text}` is of table {}, not of {table}", id.table))),
        Err(_) if !text.is_empty() && !text.contains(':') => Ok(RecordId::new(table, Key::String(text.into()))),
        Err(error) => Err(invalid(format!("invalid field `id`: {error}"))),
    }
}
