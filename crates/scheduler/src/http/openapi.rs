//! The description of the interface.

use utoipa::openapi::{Info, OpenApi};

serving::errors! {
    /// Of endpoints that read a body.
    OfBody: InvalidRequest, RequestTimeout, PayloadTooLarge;
    /// Of metrics.
    OfMetrics: SspNotReady;
    /// Of the proxy.
    OfProxy: InvalidRequest, Forbidden, RequestTimeout, PayloadTooLarge, DatabaseUnavailable;
    /// Of registrations.
    OfRegistration: InvalidRequest, UnsupportedQuery, RequestTimeout, PayloadTooLarge, DatabaseUnavailable, SspNotReady;
    /// Of the end of a registration.
    OfUnregistration: InvalidRequest, RequestTimeout, PayloadTooLarge, DatabaseUnavailable, SspNotReady;
    /// Of sidecars that join, or catch up.
    OfJoining: InvalidRequest, RequestTimeout, PayloadTooLarge, DatabaseUnavailable, SspNotReady;
    /// Of what is held in short.
    OfComparison: DatabaseUnavailable, SspNotReady;
    /// Of pages of records.
    OfPage: InvalidRequest, DatabaseUnavailable;
    /// Of signs of life.
    OfHeartbeat: InvalidRequest, NotFound, RequestTimeout, Conflict, PayloadTooLarge;
    /// Of jobs that are to be run.
    OfDispatch: InvalidRequest, NotFound, RequestTimeout, PayloadTooLarge, TooManyRequests, DatabaseUnavailable, SspNotReady;
    /// Of results of jobs.
    OfResult: InvalidRequest, NotFound, RequestTimeout, PayloadTooLarge, DatabaseUnavailable;
    /// Of announced changes.
    OfIngestion: InvalidRequest, RequestTimeout, PayloadTooLarge, TooManyRequests, SspNotReady;
}

/// The description of the whole interface, from those of its two halves.
pub(super) fn describe(open: OpenApi, guarded: OpenApi) -> OpenApi {
    let mut info = Info::new("Sp00ky scheduler", env!("CARGO_PKG_VERSION"));
    info.description = Some("Many sidecars behind one database.".to_owned());
    serving::describe(info, open, guarded)
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
        assert!(api.paths.paths.contains_key("/query/register"));
    }
}
