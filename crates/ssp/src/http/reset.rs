//! `POST /reset`: everything from the beginning.

use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::oneshot;

use super::cluster::check_alone;
use super::openapi::OfReset;
use super::{Context, Failure};
use crate::errand::Errand;

/// Removes all views with all that is stored of them, and reads all tables again. Answers when that is done; where the request
/// is given up before, it goes on all the same.
#[utoipa::path(
    post,
    path = "/reset",
    responses((status = 200, description = "All views are gone, and all tables read again"), OfReset)
)]
pub(super) async fn reset(State(context): State<Context>) -> Result<StatusCode, Failure> {
    context.check_ready()?;
    check_alone(&context)?;
    let (reply, done) = oneshot::channel();
    context.errands.send(Errand::Reset(reply)).await.map_err(|_| context.gone())?;
    done.await.map(|()| StatusCode::OK).map_err(|_| context.gone())
}
