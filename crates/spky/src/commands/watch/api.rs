//! What a watcher asks of the sidecar.

use circuit::{Object, Value};
use protocol::{Format, Params, RegisterRequest, RegisterResponse, ResultRow, UnregisterRequest, ViewKey};

use super::{TTL, text};
use crate::error::Error;
use crate::sidecar::Sidecar;

/// The registration of a query under a key.
pub(super) fn request(id: ViewKey, surql: &str, params: &Object) -> Result<RegisterRequest, Error> {
    // As SurrealQL's text, which keeps all types.
    let params = match params.is_empty() {
        true => Params::default(),
        false => Params::Text(text::surql(&Value::from(params.clone()))?),
    };
    Ok(RegisterRequest {
        client_id: id.as_str().to_owned(),
        id,
        surql: surql.to_owned(),
        ttl: TTL.to_owned(),
        params,
        last_active_at: None,
        format: Format::Streaming,
        frequency: None,
        auth_id: None,
        access: None,
        token: None,
    })
}

/// Registers the view, or says that it is still wanted. Answers its rows in the query's order.
pub(super) async fn register(sidecar: &Sidecar, request: &RegisterRequest) -> Result<Vec<ResultRow>, Error> {
    let response: RegisterResponse = sidecar.post("/view/register", request).await?;
    Ok(response.rows)
}

pub(super) async fn unregister(sidecar: &Sidecar, id: ViewKey) -> Result<(), Error> {
    sidecar.tell("/view/unregister", &UnregisterRequest { id }).await
}
