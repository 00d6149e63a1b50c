//! The view's edges, followed with a plain `LIVE SELECT`.

use circuit::RecordId;
use database::convert::record_id_from_sdk;
use futures::{Stream, StreamExt};
use protocol::{Names, ViewKey};
use surrealdb::engine::remote::ws::Client;
use surrealdb::types::{self as sdk, Action};
use surrealdb::{Notification, Surreal};

use crate::error::Error;

/// What an edge says about the record that it points to.
#[derive(Clone, Debug)]
pub(super) enum Edge {
    /// It is in the result, in this version.
    Holds(RecordId, u64),
    /// It is no longer in the result.
    Gone(RecordId),
}

/// Follows the edges of a view that need not exist yet.
pub(super) async fn follow(
    client: &Surreal<Client>,
    names: &Names,
    key: &ViewKey,
) -> Result<impl Stream<Item = Result<Edge, Error>> + Unpin + use<>, Error> {
    let view = sdk::RecordId::new(names.query(), key.as_str());
    let table = database::ident::escape(&names.list_ref());
    let mut answer =
        client.query(format!("LIVE SELECT * FROM {table} WHERE in = $view")).bind(("view", view)).await?.check()?;
    let notifications = answer.stream::<Notification<sdk::Value>>(0)?;
    Ok(notifications.filter_map(|notification| std::future::ready(edge(notification).transpose())).boxed())
}

/// `None` for what doesn't concern the rows of the view.
fn edge(notification: Result<Notification<sdk::Value>, sdk::Error>) -> Result<Option<Edge>, Error> {
    let Notification { action, data, .. } = notification?;
    let sdk::Value::Object(edge) = data else { return Ok(None) };
    // A row of a subquery hangs below an edge of its parent.
    if edge.get("parent").is_some_and(|parent| !matches!(parent, sdk::Value::None | sdk::Value::Null)) {
        return Ok(None);
    }
    let Some(sdk::Value::RecordId(out)) = edge.get("out") else { return Ok(None) };
    let id = record_id_from_sdk(out.clone())?;
    let version = match edge.get("version") {
        Some(sdk::Value::Number(number)) => number.to_int().and_then(|version| u64::try_from(version).ok()),
        _ => None,
    };
    Ok(match action {
        Action::Create | Action::Update => Some(Edge::Holds(id, version.unwrap_or_default())),
        Action::Delete => Some(Edge::Gone(id)),
        _ => None,
    })
}
