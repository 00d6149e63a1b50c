//! `POST /query/register` and `/view/unregister`: views come to a sidecar, and leave it.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Assignment, ErrorCode, RegisterRequest, Registered, UnregisterRequest, ViewKey};
use serde_json::Value as Json_;
use serving::{Body, Failure};
use tokio::time::Instant;

use super::openapi::{OfRegistration, OfUnregistration};
use super::{Context, not_ready, unavailable};
use crate::peers::PeerError;
use crate::pool::{Location, Placement, Target};

/// How long a view that is on its way between two sidecars is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Registers a view at the sidecar that keeps it, or at one that is chosen. Answers its first result, and where it is.
#[utoipa::path(
    post,
    path = "/query/register",
    request_body = RegisterRequest,
    responses((status = 200, description = "The first result, and where the view is", body = Registered), OfRegistration)
)]
pub(super) async fn register(state: State<Context>, body: Body<Json_>) -> Result<Json<Json_>, Failure> {
    place(state, body).await
}

/// As `/query/register`.
#[utoipa::path(
    post,
    path = "/view/register",
    request_body = RegisterRequest,
    responses((status = 200, description = "The first result, and where the view is", body = Registered), OfRegistration)
)]
pub(super) async fn register_view(state: State<Context>, body: Body<Json_>) -> Result<Json<Json_>, Failure> {
    place(state, body).await
}

async fn place(State(context): State<Context>, Body(body): Body<Json_>) -> Result<Json<Json_>, Failure> {
    let invalid = |error: serde_json::Error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}"));
    let key = serde_json::from_value::<RegisterRequest>(body.clone()).map_err(invalid)?.id;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let placement = context.coordinator.place(&key);
        tracing::debug!(view = %key, ?placement, "a view is to be registered");
        let outcome = match placement {
            Placement::Owner(at) => refresh(&context, &key, &at, &body).await,
            Placement::New(at) => begin(&context, &key, &at, &body).await,
            Placement::Wait => Err(None),
            Placement::Nobody => return Err(not_ready("no sidecar is ready")),
        };
        match outcome {
            Ok(answer) => return Ok(Json(answer)),
            Err(Some(failure)) => return Err(failure),
            Err(None) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Err(None) => return Err(not_ready(format!("the view {key} is on its way between two sidecars"))),
        }
    }
}

/// What has come of it; without a failure, it is to be placed anew.
type Outcome = Result<Json_, Option<Failure>>;

/// Registers a view again where it is.
async fn refresh(context: &Context, key: &ViewKey, at: &Target, body: &Json_) -> Outcome {
    match context.coordinator.peers().pass_on(at, true, "view/register", body).await {
        Ok(answer) => placed(key, at, &answer),
        Err(PeerError::Refused { body, .. }) => match body.code {
            ErrorCode::NotFound => {
                context.coordinator.missing(key, at);
                Err(None)
            }
            // It has joined anew, or the view has gone elsewhere.
            ErrorCode::Conflict => Err(None),
            _ => Err(Some((*body).into())),
        },
        Err(error) => Err(Some(not_ready(format!("the sidecar {} does not answer: {error}", at.ssp)))),
    }
}

/// Registers a view where it was not before.
async fn begin(context: &Context, key: &ViewKey, at: &Target, body: &Json_) -> Outcome {
    let answered = Reserved { context, key, at, is_answered: false };
    let outcome = context.coordinator.peers().pass_on(at, false, "view/register", body).await;
    match outcome {
        Ok(answer) => {
            answered.settle();
            context.coordinator.registered(key, at);
            placed(key, at, &answer)
        }
        Err(PeerError::Refused { body, .. }) => {
            answered.settle();
            context.coordinator.registration_failed(key, at);
            match body.code {
                ErrorCode::Conflict | ErrorCode::NotFound => Err(None),
                _ => Err(Some((*body).into())),
            }
        }
        Err(error) => Err(Some(not_ready(format!("the sidecar {} does not answer: {error}", at.ssp)))),
    }
}

/// A view that is reserved for a sidecar. If nobody learns how that ended, it is in doubt.
struct Reserved<'a> {
    context: &'a Context,
    key: &'a ViewKey,
    at: &'a Target,
    is_answered: bool,
}

impl Reserved<'_> {
    fn settle(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.context.coordinator.registration_in_doubt(self.key, self.at);
        }
    }
}

/// The answer of a sidecar, with where the view is.
fn placed(key: &ViewKey, at: &Target, answer: &[u8]) -> Outcome {
    let no_answer = |error: serde_json::Error| {
        Some(not_ready(format!("the sidecar {} has answered what makes no sense: {error}", at.ssp)))
    };
    let mut answer: serde_json::Map<String, Json_> = serde_json::from_slice(answer).map_err(no_answer)?;
    let assignment = Assignment {
        query_id: key.clone(),
        ssp_id: at.ssp.to_string(),
        ssp_url: at.url.to_string(),
        assigned_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
    };
    if let Json_::Object(place) = serde_json::to_value(assignment).map_err(no_answer)? {
        answer.extend(place);
    }
    Ok(Json_::Object(answer))
}

/// Removes a view with its edges, wherever it is. That there is no such view is not an error.
#[utoipa::path(
    post,
    path = "/view/unregister",
    request_body = UnregisterRequest,
    responses((status = 200, description = "There is no such view any more"), OfUnregistration)
)]
pub(super) async fn unregister(
    State(context): State<Context>,
    Body(request): Body<UnregisterRequest>,
) -> Result<StatusCode, Failure> {
    let key = request.id.clone();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let location = context.coordinator.locate(&key);
        tracing::debug!(view = %key, ?location, "a view is to be unregistered");
        match location {
            Location::Owner(at) => {
                let body = serde_json::json!({ "id": key });
                match context.coordinator.peers().pass_on(&at, true, "view/unregister", &body).await {
                    Ok(_) => {
                        context.coordinator.unregistered(&key, &at);
                        return Ok(StatusCode::OK);
                    }
                    Err(PeerError::Refused { body, .. }) => match body.code {
                        // It is taken over from its record, by whomever, and removed there.
                        ErrorCode::NotFound => context.coordinator.missing(&key, &at),
                        ErrorCode::Conflict => {}
                        _ => return Err((*body).into()),
                    },
                    Err(error) => {
                        return Err(not_ready(format!("the sidecar {} does not answer: {error}", at.ssp)));
                    }
                }
            }
            Location::UnderWay => {}
            Location::Nobody | Location::Unknown => return remove(&context, &key).await,
        }
        if Instant::now() >= deadline {
            return Err(not_ready(format!("the view {key} is on its way between two sidecars")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Removes a view that nobody keeps.
async fn remove(context: &Context, key: &ViewKey) -> Result<StatusCode, Failure> {
    let removed = context.coordinator.database().find_and_remove_query(key, context.ref_mode).await;
    removed.map_err(|error| unavailable(&error))?;
    context.coordinator.gone(key);
    Ok(StatusCode::OK)
}
