//! `GET /view/{view_id}/events`: a view as server-sent events.

use std::convert::Infallible;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, StreamExt, stream};
use protocol::{ErrorCode, RegisterResponse, ViewChange, ViewKey};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};

use super::debug::view_key;
use super::openapi::OfView;
use super::{Context, Failure, views};
use crate::command::{Command, Followed};
use crate::events::{EventId, Following, Numbered};

/// The result of a view as an event `result`, then each change of it as an event `change`, in order and without gaps. With the
/// header `Last-Event-ID` only what came after that event, if that is still known. The stream ends when the view does, or
/// when the client does not keep up: whoever comes back then gets what is missing.
#[utoipa::path(
    get,
    path = "/view/{view_id}/events",
    params(
        ("view_id" = String, Path, description = "The id of the view, by any of its names"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that has been seen")
    ),
    responses(
        (status = 200, description = "Events `result` and `change`", body = ViewChange, content_type = "text/event-stream"),
        OfView
    )
)]
pub(super) async fn events(
    State(context): State<Context>,
    key: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    context.check_ready()?;
    let key = view_key(key)?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<EventId>().ok());
    let (first, following) = match seen.and_then(|seen| context.events.resume(&key, seen)) {
        Some(following) => (None, following),
        None => {
            let (result, following) = begin(&context, &key).await?;
            (Some(event("result", following.at, &result)), following)
        }
    };
    let Following { missed, events, .. } = following;
    let missed = missed.into_iter().map(|event| change(&event));
    let begun = stream::iter(first.into_iter().chain(missed).collect::<Vec<_>>());
    Ok(Sse::new(begun.chain(live(events)).map(Ok)).keep_alive(KeepAlive::default()))
}

/// The result of a view, and what follows it.
async fn begin(context: &Context, key: &ViewKey) -> Result<(RegisterResponse, Following), Failure> {
    let (reply, followed) = oneshot::channel();
    context.send(Command::Follow { key: key.clone(), reply }).await?;
    let followed = followed.await.map_err(|_| context.gone())?;
    let Some(Followed { result, following }) = followed else {
        return Err(Failure::new(ErrorCode::NotFound, format!("there is no view {key}")));
    };
    let following = following.await.map_err(|_| context.gone())?;
    Ok((views::response(key.clone(), &result), following))
}

/// The events to come.
fn live(events: broadcast::Receiver<Numbered>) -> impl Stream<Item = Event> {
    stream::unfold(events, async |mut events| match events.recv().await {
        Ok(event) => Some((change(&event), events)),
        Err(RecvError::Closed | RecvError::Lagged(_)) => None,
    })
}

fn change(event: &Numbered) -> Event {
    self::event("change", event.id, &*event.change)
}

fn event(name: &str, id: EventId, data: &impl serde::Serialize) -> Event {
    // Texts, numbers and JSON: there is nothing in it that JSON has no form for.
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).id(id.to_string()).data(data)
}
