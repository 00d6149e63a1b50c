//! `GET /openapi.json`: the interface, described by the code that serves it.
//!
//! An endpoint says beside its handler what it takes and answers, and which errors are its own. What is true of all
//! endpoints, or of all that ask for the token, is added here.

use axum::Extension;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use protocol::{ErrorBody, ErrorCode};
use std::collections::BTreeMap;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Info, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// The document, as it is answered.
#[derive(Clone)]
pub(super) struct Document(Bytes);

impl Document {
    pub(super) fn new(api: &OpenApi) -> Self {
        // Maps with texts as keys, all of them ours: there is nothing in it that JSON can't say.
        Document(serde_json::to_vec(api).unwrap_or_default().into())
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn document(Extension(document): Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document.0)
}

/// Names the errors that some endpoints answer, for their `responses`.
macro_rules! errors {
    ($($(#[$meta:meta])* $name:ident: $($code:ident),+;)+) => {$(
        $(#[$meta])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                by_status(&[$(ErrorCode::$code),+])
            }
        }
    )+};
}

errors! {
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
    /// Of the endpoints that ask for the token.
    OfToken: Unauthorized;
    /// Of every endpoint.
    OfAll: Internal, Timeout;
}

/// The answers of these codes.
fn by_status(codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut of_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes {
        of_status.entry(code.status()).or_default().push(code.as_str());
    }
    of_status.into_iter().map(|(status, codes)| (status.to_string(), RefOr::T(error(&codes)))).collect()
}

/// An error body with one of these codes.
fn error(codes: &[&str]) -> Response {
    let code = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(codes.to_vec()));
    let body = AllOfBuilder::new()
        .item(Ref::from_schema_name(ErrorBody::name()))
        .item(ObjectBuilder::new().property("code", code));
    let content = ContentBuilder::new().schema(Some(Schema::AllOf(body.build()))).build();
    ResponseBuilder::new().description(codes.join(", ")).content("application/json", content).build()
}

/// The description of the whole interface, from those of its two halves.
pub(super) fn describe(open: OpenApi, mut guarded: OpenApi) -> OpenApi {
    for operation in operations(&mut guarded) {
        operation.security = Some(vec![SecurityRequirement::new(BEARER, [] as [&str; 0])]);
        add(operation, OfToken::responses());
    }
    let mut api = open.merge_from(guarded);
    // A body of no lines is a batch of no changes. The attribute of the handler can't say so.
    if let Some(batch) = api.paths.paths.get_mut("/ingest/batch").and_then(|item| item.post.as_mut())
        && let Some(RefOr::T(body)) = &mut batch.request_body
    {
        body.required = None;
    }
    api.info = Info::new("Sp00ky Sidecar Processor", env!("CARGO_PKG_VERSION"));
    api.info.description = Some("Live, always-correct query results on top of SurrealDB.".to_owned());
    for operation in operations(&mut api) {
        add(operation, OfAll::responses());
    }
    let components = api.components.get_or_insert_with(Components::new);
    let mut schemas = vec![(ErrorBody::name().into_owned(), ErrorBody::schema())];
    ErrorBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    api
}

fn operations(api: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    api.paths.paths.values_mut().flat_map(|item| [&mut item.get, &mut item.post]).flatten()
}

/// Adds answers. Those that are there are the endpoint's own, and stay.
fn add(operation: &mut Operation, responses: BTreeMap<String, RefOr<Response>>) {
    for (status, response) in responses {
        operation.responses.responses.entry(status).or_insert(response);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::Router;
    use serde_json::Value;

    use super::super::{guarded, open};
    use super::*;

    /// The paths of a router, which shows them to nobody but a debugger. Its own route for what is not found is no path.
    fn paths(router: &Router<super::super::Context>) -> BTreeSet<String> {
        let text = format!("{router:?}");
        let quoted = text.split('"').skip(1).step_by(2);
        quoted
            .filter(|quoted| quoted.starts_with('/') && *quoted != "/" && !quoted.contains("__private"))
            .map(str::to_owned)
            .collect()
    }

    /// Catches an endpoint that is served and not described, or the other way round, or on the wrong side of the guard.
    #[test]
    fn exactly_what_is_served_is_described() {
        let (open, of_open) = open().split_for_parts();
        let (guarded, of_guarded) = guarded().split_for_parts();
        let (open, guarded) = (paths(&open), paths(&guarded));
        assert!(open.contains("/health") && guarded.contains("/view/register"), "{open:?} {guarded:?}");
        let api = serde_json::to_value(describe(of_open, of_guarded)).unwrap();
        let described = api["paths"].as_object().unwrap();
        assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), &open | &guarded);
        for (path, item) in described {
            for (method, operation) in item.as_object().unwrap() {
                let asks = operation.get("security").is_some();
                assert_eq!(asks, guarded.contains(path), "{method} {path}");
                assert_eq!(asks, operation["responses"].get("401").is_some(), "{method} {path}");
                assert!(operation["responses"].get("500").is_some(), "{method} {path}");
            }
        }
    }

    /// Catches a body that refers to a schema which is not there.
    #[test]
    fn all_schemas_are_there() {
        let (_, of_open) = open().split_for_parts();
        let (_, of_guarded) = guarded().split_for_parts();
        let api = serde_json::to_value(describe(of_open, of_guarded)).unwrap();
        let mut references = Vec::new();
        collect(&api, &mut references);
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            assert!(api.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        let codes: BTreeSet<&str> = api
            .pointer("/components/schemas/ErrorCode/enum")
            .and_then(Value::as_array)
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(codes, ErrorCode::ALL.map(ErrorCode::as_str).into_iter().collect());
    }

    fn collect(json: &Value, references: &mut Vec<String>) {
        match json {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }
}
