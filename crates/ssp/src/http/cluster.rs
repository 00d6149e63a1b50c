//! `/cluster/…`: what the scheduler tells a member of its cluster.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::HeaderMap;
use cluster::Delivery;
use protocol::{Acknowledged, EPOCH_HEADER, ErrorCode, HELD_HEADER, TICKET_HEADER, TakenOver, ViewKeys};

use super::openapi::{OfCluster, OfTakeOver};
use super::{Body, Context, Failure, bytes_of};
use crate::cluster::{Misdelivery, MoveError, Ticket, Turned, give_away, take_over};
use crate::error::Error;

/// A body with events.
pub(super) struct Delivered(Delivery);

impl<S: Send + Sync> FromRequest<S> for Delivered {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let delivery = Delivery::decode(bytes_of(request, state).await?);
        delivery
            .map(Delivered)
            .map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))
    }
}

/// Takes in events of the scheduler's log, each once and in the order of their numbers, whatever is sent how often. Answers
/// how far this has come.
#[utoipa::path(
    post,
    path = "/cluster/events",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "They are taken in", body = Acknowledged), OfCluster)
)]
pub(super) async fn events(
    State(context): State<Context>,
    Delivered(delivery): Delivered,
) -> Result<Json<Acknowledged>, Failure> {
    let taken = context.inbox.take_in(delivery).await;
    let sequence = taken.map_err(|error: Misdelivery| Failure::new(ErrorCode::Conflict, error.to_string()))?;
    Ok(Json(Acknowledged { sequence }))
}

/// Takes over views that no other sidecar keeps. Answers when what is stored of them is about to be brought in line.
#[utoipa::path(
    post,
    path = "/cluster/take_over",
    request_body = ViewKeys,
    responses((status = 200, description = "What has become of each", body = TakenOver), OfTakeOver)
)]
pub(super) async fn take_over_views(
    State(context): State<Context>,
    headers: HeaderMap,
    Body(ViewKeys { views }): Body<ViewKeys>,
) -> Result<Json<TakenOver>, Failure> {
    context.check_ready()?;
    let ticket = context.ticket(&headers)?;
    let taken = context.moves.once(ticket, take_over(context.restorer(ticket), views)).await;
    taken.map(Json).map_err(|error| failure(&context, error))
}

/// Gives views away: another sidecar may take them over as soon as this is answered.
#[utoipa::path(
    post,
    path = "/cluster/give_away",
    request_body = ViewKeys,
    responses((status = 200, description = "Nothing more is written of them"), OfTakeOver)
)]
pub(super) async fn give_away_views(
    State(context): State<Context>,
    headers: HeaderMap,
    Body(ViewKeys { views }): Body<ViewKeys>,
) -> Result<(), Failure> {
    let ticket = context.ticket(&headers)?;
    let given = context.moves.once(ticket, give_away(context.engine.clone(), views, ticket)).await;
    given.map(drop).map_err(|error| failure(&context, error))
}

impl Context {
    /// How a view comes here. In a cluster the scheduler says so, which names the epoch of the sidecar that it means; outside of
    /// one, views come from anybody.
    pub(super) fn ticket(&self, headers: &HeaderMap) -> Result<Ticket, Failure> {
        let conflict = |message: String| Err(Failure::new(ErrorCode::Conflict, message));
        let number = |name| headers.get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        match (&self.settings.cluster, self.database.fence(), number(EPOCH_HEADER)) {
            (None, _, None) => Ok(Ticket::default()),
            (None, _, Some(_)) => conflict("this sidecar is no member of a cluster".to_owned()),
            (Some(_), Some(fence), Some(epoch)) if fence.epoch == epoch => Ok(Ticket {
                epoch,
                number: number(TICKET_HEADER).unwrap_or_default(),
                is_held: headers.contains_key(HELD_HEADER),
            }),
            (Some(_), _, Some(epoch)) => conflict(format!("this sidecar is not registered under epoch {epoch}")),
            (Some(_), _, None) => check_alone(self).map(|()| Ticket::default()),
        }
    }
}

/// Refuses what only the scheduler can do for a cluster.
pub(super) fn check_alone(context: &Context) -> Result<(), Failure> {
    match &context.settings.cluster {
        None => Ok(()),
        Some(cluster) => {
            let message = format!("this sidecar belongs to a cluster: ask its scheduler, {}", cluster.scheduler);
            Err(Failure::new(ErrorCode::Conflict, message))
        }
    }
}

fn failure(context: &Context, error: MoveError) -> Failure {
    match error {
        MoveError::Turned(turned) => turned_away(turned),
        MoveError::Service(Error::Database(error)) => unavailable(&error),
        MoveError::Service(_) => context.gone(),
    }
}

/// Why a view is not taken.
pub(super) fn turned_away(turned: Turned) -> Failure {
    match turned {
        Turned::Late => Failure::new(ErrorCode::Conflict, turned.to_string()),
        Turned::NotHeld => Failure::new(ErrorCode::NotFound, turned.to_string()),
    }
}

/// Why something is not written.
pub(super) fn unavailable(error: &database::Error) -> Failure {
    match error {
        database::Error::Fenced { .. } => Failure::new(ErrorCode::Conflict, "the epoch of this sidecar is over"),
        database::Error::Moved { .. } => Failure::new(ErrorCode::Conflict, error.to_string()),
        error => Failure::new(ErrorCode::DatabaseUnavailable, error.to_string()),
    }
}
