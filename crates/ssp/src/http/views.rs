//! `POST /view/register` and `/view/unregister`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use circuit::{Object, RecordId, Value};
use database::{Capture, QueryRow};
use protocol::{
    ContentHash, ErrorCode, Format, Params, RegisterRequest, RegisterResponse, ResultRow, UnregisterRequest,
};
use tokio::sync::oneshot;

use super::{Body, Context, Failure};
use crate::command::{Command, Done};
use crate::json;
use crate::view::View;

/// Registers a view, or refreshes or replaces the one with this id. Answers its first result when the edges of it are
/// written.
pub(super) async fn register(
    State(context): State<Context>,
    Body(request): Body<RegisterRequest>,
) -> Result<Json<RegisterResponse>, Failure> {
    context.check_ready()?;
    let ttl = request.ttl().map_err(|error| invalid(format!("invalid field `ttl`: {error}")))?;
    if request.format != Format::Streaming {
        return Err(invalid(format!("the format `{}` is not supported yet", request.format.as_str())));
    }
    let auth_id = auth_id(request.auth_id.as_deref())?;
    let params = params(request.params)?;
    let access = request.access.map_or(Value::None, json::from_json);
    let token = request.token.map_or(Value::None, json::from_json);
    let visible = with_caller(&params, auth_id.as_ref(), &access, &token);
    let query = query::compile(&request.surql, &visible)
        .map_err(|error| Failure::new(ErrorCode::UnsupportedQuery, error.to_string()))?;
    let table = &query.plan.template.table;
    // By push there is no changefeed that a table could lack.
    if context.settings.capture == Capture::Feed && !context.tables.require(table).await {
        let message = format!("the table {table} can't be captured now");
        return Err(Failure::new(ErrorCode::DatabaseUnavailable, message));
    }
    let row = QueryRow {
        key: request.id.clone(),
        surql: request.surql,
        params: visible,
        client_id: request.client_id,
        auth_id,
        access,
        token,
        ttl,
        format: request.format,
    };
    let view = Box::new(View::new(row, &context.database, context.settings.ref_mode));
    let (reply, initial) = oneshot::channel();
    context.send(Command::Register { view, query, reply }).await?;
    let initial = initial.await.map_err(|_| Failure::stopping())?;
    if let Err(failure) = written(initial.written).await {
        // What could not be stored is not registered: the client sees an error and no view.
        let (reply, _) = oneshot::channel();
        context.send(Command::Unregister { key: request.id, reply }).await?;
        return Err(failure);
    }
    let rows = initial.rows.into_iter().map(|(row, selected)| ResultRow {
        id: json::id_text(&row.id),
        version: row.version,
        record: json::to_json(&selected),
        children: Vec::new(),
    });
    Ok(Json(RegisterResponse { id: request.id, hash: ContentHash::from(initial.digest.hash), rows: rows.collect() }))
}

/// Removes a view with its edges. That there is no such view is not an error.
pub(super) async fn unregister(
    State(context): State<Context>,
    Body(request): Body<UnregisterRequest>,
) -> Result<StatusCode, Failure> {
    let (reply, removed) = oneshot::channel();
    context.send(Command::Unregister { key: request.id, reply }).await?;
    if let Some(done) = removed.await.map_err(|_| Failure::stopping())? {
        written(done).await?;
    }
    Ok(StatusCode::OK)
}

async fn written(done: Done) -> Result<(), Failure> {
    match done.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::new(ErrorCode::DatabaseUnavailable, error.to_string())),
        Err(_) => Err(Failure::stopping()),
    }
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorCode::InvalidRequest, message)
}

fn auth_id(text: Option<&str>) -> Result<Option<RecordId>, Failure> {
    let parse =
        |text| query::parse_record_id(text).map_err(|error| invalid(format!("invalid field `authId`: {error}")));
    text.map(parse).transpose()
}

fn params(params: Params) -> Result<Object, Failure> {
    match params {
        Params::Object(fields) => Ok(json::object_from_json(fields)),
        Params::Text(text) if text.trim().is_empty() => Ok(Object::from_iter([])),
        Params::Text(text) => match query::parse_value(&text) {
            Ok(Value::Object(object)) => Ok((*object).clone()),
            Ok(_) => Err(invalid("invalid field `params`: the text is not that of an object".to_owned())),
            Err(error) => Err(invalid(format!("invalid field `params`: {error}"))),
        },
    }
}

/// The parameters with what is known of the caller. A client can't choose these: they replace what it sent.
fn with_caller(params: &Object, auth_id: Option<&RecordId>, access: &Value, token: &Value) -> Object {
    let own = params.iter().filter(|(name, _)| !matches!(&***name, "authId" | "access" | "token"));
    let own = own.map(|(name, value)| (name.clone(), value.clone()));
    let user = auth_id.map_or(Value::None, |id| Value::from(id.clone()));
    let caller = [("authId", user), ("access", access.clone()), ("token", token.clone())];
    let caller = caller.into_iter().filter(|(_, value)| !matches!(value, Value::None));
    own.chain(caller.map(|(name, value)| (name.into(), value))).collect()
}
