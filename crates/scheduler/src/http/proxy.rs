//! `POST /proxy/…`: reading the replica.
//!
//! The replica itself refuses whatever is not reading: it is asked as a user who may do nothing else.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use protocol::{BINARY, ErrorCode};
use serde::Deserialize;
use serde_json::{Map, Value as Json_};
use serving::{Body, Failure, bytes_of};
use utoipa::ToSchema;

use super::openapi::{OfBody, OfProxy};
use super::{Context, unavailable};

/// A query, for people.
#[derive(Deserialize, ToSchema)]
struct Question {
    /// SurrealQL.
    #[serde(alias = "surql", alias = "sql")]
    query: String,
    /// Its variables.
    #[serde(default, alias = "variables", alias = "params")]
    #[schema(value_type = Option<Object>)]
    vars: Json_,
}

/// What one statement answers.
#[derive(ToSchema)]
#[allow(dead_code, reason = "for the description: the replica's answer is passed on as it is")]
pub(super) struct Answer {
    /// `OK` or `ERR`.
    status: String,
    /// The result, or why there is none.
    result: serde_json::Value,
}

/// Answers a query: in JSON, or with all types kept if it was put in binary.
#[utoipa::path(
    post,
    path = "/proxy/query",
    request_body(content((Question = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses(
        (
            status = 200,
            description = "What the replica answers, each statement for itself",
            content((Vec<Answer> = "application/json"), (Vec<u8> = "application/octet-stream"))
        ),
        OfProxy
    )
)]
pub(super) async fn query(State(context): State<Context>, request: Request) -> Result<Response, Failure> {
    let is_binary = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == BINARY);
    let bytes = bytes_of(request, &()).await?;
    let proxy = context.coordinator.replica().proxy();
    if is_binary {
        let answer = proxy.answer_bytes(&bytes).await.map_err(|error| failure(&error))?;
        return Ok(([(CONTENT_TYPE, BINARY)], answer).into_response());
    }
    let question: Question = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))?;
    let invalid = |error: query::Error| Failure::new(ErrorCode::InvalidRequest, error.to_string());
    if !query::reads_only(&question.query).map_err(invalid)? {
        // The replica would not change anything either. For some statements it would not say so.
        return Err(Failure::new(ErrorCode::Forbidden, "the replica is for reading, and this query may write"));
    }
    let answer = proxy.answer_json(&question.query, question.vars).await.map_err(|error| failure(&error))?;
    Ok(Json(answer).into_response())
}

/// Who may call this has shown a token already: signing in is for clients that insist.
#[utoipa::path(
    post,
    path = "/proxy/signin",
    request_body = Object,
    responses((status = 200, description = "Signed in"), OfBody)
)]
pub(super) async fn sign_in(Body(_): Body<Map<String, Json_>>) -> StatusCode {
    StatusCode::OK
}

/// A namespace and a database.
#[derive(Deserialize, ToSchema)]
pub(super) struct Place {
    #[serde(alias = "namespace")]
    ns: Option<String>,
    #[serde(alias = "database")]
    db: Option<String>,
}

/// There is one database: naming another one is an error.
#[utoipa::path(
    post,
    path = "/proxy/use",
    request_body = Place,
    responses((status = 200, description = "It is this one"), OfBody)
)]
pub(super) async fn select(
    State(context): State<Context>,
    // A list would do for a `Place`.
    Body(place): Body<Map<String, Json_>>,
) -> Result<StatusCode, Failure> {
    let place = serde_json::from_value(Json_::Object(place));
    let Place { ns, db } =
        place.map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))?;
    let is_ours = ns.is_none_or(|ns| ns == context.namespace) && db.is_none_or(|db| db == context.database);
    if is_ours {
        return Ok(StatusCode::OK);
    }
    let message = format!("the replica is of {}/{} only", context.namespace, context.database);
    Err(Failure::new(ErrorCode::InvalidRequest, message))
}

fn failure(error: &database::Error) -> Failure {
    match error {
        database::Error::Malformed { .. } | database::Error::Query { .. } => {
            Failure::new(ErrorCode::InvalidRequest, error.to_string())
        }
        database::Error::TooLarge { .. } => Failure::new(ErrorCode::PayloadTooLarge, error.to_string()),
        database::Error::Auth { .. } => Failure::new(ErrorCode::Forbidden, error.to_string()),
        error => unavailable(error),
    }
}
