//! The description of the interface.

use utoipa::openapi::{Info, OpenApi, RefOr};

serving::errors! {
    /// Of endpoints that read a body.
    OfBody: InvalidRequest, RequestTimeout, PayloadTooLarge;
    /// Of endpoints that take changes.
    OfIngestion: InvalidRequest, RequestTimeout, Conflict, PayloadTooLarge, TooManyRequests, SspNotReady;
    /// Of registrations.
    OfRegistration: InvalidRequest, UnsupportedQuery, NotFound, RequestTimeout, Conflict, PayloadTooLarge, DatabaseUnavailable, SspNotReady;
    /// Of the end of a registration.
    OfUnregistration: InvalidRequest, RequestTimeout, Conflict, PayloadTooLarge, DatabaseUnavailable, SspNotReady;
    /// Of deliveries.
    OfCluster: InvalidRequest, RequestTimeout, Conflict, PayloadTooLarge;
    /// Of endpoints that move views from one sidecar to another.
    OfTakeOver: InvalidRequest, RequestTimeout, Conflict, PayloadTooLarge, DatabaseUnavailable, SspNotReady;
    /// Of endpoints that show a view.
    OfView: InvalidRequest, NotFound, SspNotReady;
    /// Of endpoints that ask the engine.
    OfEngine: SspNotReady;
    /// Of the beginning from scratch.
    OfReset: Conflict, SspNotReady;
    /// Of endpoints that compare with the database.
    OfComparison: DatabaseUnavailable, SspNotReady;
    /// Of the running of jobs.
    OfJob: InvalidRequest, NotFound, RequestTimeout, PayloadTooLarge, TooManyRequests, DatabaseUnavailable;
    /// Of pages.
    OfPage: InvalidRequest, SspNotReady;
}

/// The description of the whole interface, from those of its two halves.
pub(super) fn describe(open: OpenApi, guarded: OpenApi) -> OpenApi {
    let mut info = Info::new("Sp00ky Sidecar Processor", env!("CARGO_PKG_VERSION"));
    info.description = Some("Live, always-correct query results on top of SurrealDB.".to_owned());
    let mut api = serving::describe(info, open, guarded);
    // A body of no lines is a batch of no changes. The attribute of the handler can't say so.
    if let Some(batch) = api.paths.paths.get_mut("/ingest/batch").and_then(|item| item.post.as_mut())
        && let Some(RefOr::T(body)) = &mut batch.request_body
    {
        body.required = None;
    }
    api
}

#[cfg(test)]
mod tests {
    use super::super::{guarded, open};
    use super::*;

    #[test]
    fn exactly_what_is_served_is_described() {
        let (open, of_open) = open().split_for_parts();
        let (guarded, of_guarded) = guarded().split_for_parts();
        let api = describe(of_open, of_guarded);
        assert_eq!(serving::flaws(&open, &guarded, &api), Vec::<String>::new());
        assert!(api.paths.paths.contains_key("/view/register"));
        // Catches a test that sees everything as it should be.
        assert!(!serving::flaws(&guarded, &open, &api).is_empty());
    }
}
