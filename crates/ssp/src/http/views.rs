//! `POST /view/register` and `/view/unregister`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use circuit::{Object, Plan, RecordId, Shown, Value};
use database::{Capture, QueryRow};
use protocol::{Child, ErrorCode, Params, RegisterRequest, RegisterResponse, ResultRow, UnregisterRequest, ViewKey};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

use super::cluster::{turned_away, unavailable};
use super::openapi::{OfRegistration, OfUnregistration};
use super::{Body, Context, Failure};
use crate::command::{Command, Done, Initial, Snapshot};
use crate::path::Path;
use crate::registration::NotTaken;
use crate::view::View;
use database::json;

/// Registers a view, or refreshes or replaces the one with this id. Answers its first result when the edges of it are
/// written.
#[utoipa::path(
    post,
    path = "/view/register",
    request_body = RegisterRequest,
    responses((status = 200, description = "The first result", body = RegisterResponse), OfRegistration)
)]
pub(super) async fn register(
    State(context): State<Context>,
    headers: HeaderMap,
    Body(request): Body<RegisterRequest>,
) -> Result<Json<RegisterResponse>, Failure> {
    context.check_ready()?;
    let ticket = context.ticket(&headers)?;
    let ttl = request.ttl().map_err(|error| invalid(format!("invalid field `ttl`: {error}")))?;
    let auth_id = auth_id(request.auth_id.as_deref())?;
    let params = params(request.params)?;
    let access = request.access.map_or(Value::None, json::from_json);
    let token = request.token.map_or(Value::None, json::from_json);
    let visible = with_caller(&params, auth_id.as_ref(), &access, &token);
    let catalog = context.permissions.get();
    let query = query::compile_as(&request.surql, &visible, &catalog)
        .map_err(|error| Failure::new(ErrorCode::UnsupportedQuery, error.to_string()))?;
    let mut tables = BTreeSet::new();
    query.plan.tables(&mut |table| {
        tables.insert(table.clone());
    });
    // Alone and by push there is no changefeed that a table could lack; in a cluster the scheduler knows what is captured.
    if context.settings.capture == Capture::Feed || context.settings.cluster.is_some() {
        for table in &tables {
            if !context.tables.require(table).await {
                let hint = match context.settings.capture {
                    Capture::Feed => "",
                    Capture::Push => ": if it is new, run `spky apply`",
                };
                let message = format!("the table {table} can't be captured now{hint}");
                return Err(Failure::new(ErrorCode::DatabaseUnavailable, message));
            }
        }
    }
    if let Some(objection) = context.tables.computed().objection(&query.plan) {
        return Err(Failure::new(ErrorCode::UnsupportedQuery, objection));
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
        frequency: request.frequency,
    };
    let view = Box::new(View::new(row, ticket, &context.database, &context.settings));
    let (reply, initial) = oneshot::channel();
    context.send(Command::Register { view, query, catalog, reply }).await?;
    let initial = initial.await.map_err(|_| context.gone())?;
    let Initial { result, written: done } = initial.map_err(|error| match error {
        NotTaken::Turned(turned) => turned_away(turned),
        NotTaken::Refused(reason) => Failure::new(ErrorCode::UnsupportedQuery, reason),
    })?;
    if let Err(failure) = written(&context, done).await {
        // What could not be stored is not registered: the client sees an error and no view.
        let (reply, _) = oneshot::channel();
        context.send(Command::Unregister { key: request.id, reply }).await?;
        return Err(failure);
    }
    context.telling.counted.registration();
    Ok(Json(response(request.id, &result)))
}

/// A result as a client gets it.
pub(super) fn response(id: ViewKey, result: &Snapshot) -> RegisterResponse {
    let Snapshot { view, plan, rows, note } = result;
    let failure = rows.iter().find_map(|row| row.value.as_ref().err()).map(|failure| failure.0.clone());
    RegisterResponse {
        id,
        hash: note.hash.unwrap_or_default(),
        rows: result_rows(view, plan, rows, None),
        result: note.result.as_ref().map(json::to_json),
        error: note.error.clone().or(failure).map(|error| error.to_string()),
    }
}

/// The rows with the rows of the subqueries under them.
fn result_rows(view: &View, plan: &Plan, rows: &[Shown], under: Option<(&Arc<Path>, &Arc<str>)>) -> Vec<ResultRow> {
    let is_own = plan.has_own_rows();
    let result_row = |row: &Shown| {
        let path = Path::new(&row.id, is_own, under);
        let mut children = Vec::new();
        for (number, rows) in &row.nested {
            let Some(child) = plan.template.children.get(usize::from(*number)) else { continue };
            let rows = result_rows(view, &child.plan, rows, Some((&path, &child.relation)));
            let relation = child.relation.to_string();
            children.extend(rows.into_iter().map(|row| Child { relation: relation.clone(), row }));
        }
        let record = row.value.as_ref().map(json::to_json).unwrap_or_default();
        ResultRow { id: json::id_text(&view.out(&path)), version: row.version, record, children }
    };
    rows.iter().map(result_row).collect()
}

/// Removes a view with its edges. That there is no such view is not an error.
#[utoipa::path(
    post,
    path = "/view/unregister",
    request_body = UnregisterRequest,
    responses((status = 200, description = "There is no such view any more"), OfUnregistration)
)]
pub(super) async fn unregister(
    State(context): State<Context>,
    headers: HeaderMap,
    Body(request): Body<UnregisterRequest>,
) -> Result<StatusCode, Failure> {
    let (key, ticket) = (request.id, context.ticket(&headers)?);
    let done = if ticket.is_held {
        let (reply, removed) = oneshot::channel();
        context.send(Command::UnregisterHeld { key, ticket, reply }).await?;
        removed.await.map_err(|_| context.gone())?.map_err(turned_away)?
    } else {
        let (reply, removed) = oneshot::channel();
        context.send(Command::Unregister { key, reply }).await?;
        removed.await.map_err(|_| context.gone())?
    };
    written(&context, done).await?;
    Ok(StatusCode::OK)
}

async fn written(context: &Context, done: Done) -> Result<(), Failure> {
    match done.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(unavailable(&error)),
        Err(_) => Err(context.gone()),
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
