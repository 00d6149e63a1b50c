//! `GET /openapi.json`: an interface, described by the code that serves it.
//!
//! An endpoint says beside its handler what it takes and answers, and which errors are its own: [`errors!`] names those. What is
//! true of all endpoints, or of all that ask for the token, is added by [`describe`].

use std::collections::{BTreeMap, BTreeSet};

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Extension, Router};
use bytes::Bytes;
use protocol::{ErrorBody, ErrorCode};
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Info, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// The name of the security scheme.
const BEARER: &str = "bearer";
/// The errors of the endpoints that ask for the token.
const OF_TOKEN: [ErrorCode; 1] = [ErrorCode::Unauthorized];
/// The errors of every endpoint.
const OF_ALL: [ErrorCode; 2] = [ErrorCode::Internal, ErrorCode::Timeout];

/// A document, as it is answered.
#[derive(Clone, Debug)]
pub struct Document(Bytes);

impl Document {
    /// The document of an interface.
    pub fn new(api: &OpenApi) -> Self {
        // Maps with texts as keys, all of them ours: there is nothing in it that JSON can't say.
        Document(serde_json::to_vec(api).unwrap_or_default().into())
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn document(Extension(document): Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document.0)
}

/// Names the errors that some endpoints answer, for their `responses`. Whoever uses it has the crates `utoipa` and `protocol`.
#[macro_export]
macro_rules! errors {
    ($($(#[$meta:meta])* $name:ident: $($code:ident),+;)+) => {$(
        $(#[$meta])*
        pub(super) struct $name;

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                ::std::string::String,
                ::utoipa::openapi::RefOr<::utoipa::openapi::Response>,
            > {
                $crate::by_status(&[$(::protocol::ErrorCode::$code),+])
            }
        }
    )+};
}

/// The answers of these codes.
pub fn by_status(codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
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

/// The description of a whole interface, from those of its two halves: what everybody may call, and what asks for the token.
pub fn describe(info: Info, open: OpenApi, mut guarded: OpenApi) -> OpenApi {
    for operation in operations(&mut guarded) {
        operation.security = Some(vec![SecurityRequirement::new(BEARER, [] as [&str; 0])]);
        add(operation, by_status(&OF_TOKEN));
    }
    let mut api = open.merge_from(guarded);
    api.info = info;
    for operation in operations(&mut api) {
        add(operation, by_status(&OF_ALL));
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

/// What is wrong with the description of the interface that these two routers serve: an endpoint that is served and not
/// described, or the other way round, or on the wrong side of the guard; a schema that is referred to and not there. For tests.
pub fn flaws<S>(open: &Router<S>, guarded: &Router<S>, api: &OpenApi) -> Vec<String> {
    let (open, guarded) = (paths(open), paths(guarded));
    let api = serde_json::to_value(api).unwrap_or_default();
    let mut flaws = Vec::new();
    let mut claim = |is_true: bool, flaw: String| {
        if !is_true {
            flaws.push(flaw)
        }
    };
    let nothing = serde_json::Map::new();
    let described = api["paths"].as_object().unwrap_or(&nothing);
    let (served, described_paths) = (&open | &guarded, described.keys().cloned().collect::<BTreeSet<_>>());
    claim(!open.is_empty() && !guarded.is_empty(), "nothing is served".to_owned());
    for path in served.symmetric_difference(&described_paths) {
        claim(false, format!("{path} is only served, or only described"));
    }
    for (path, item) in described {
        for (method, operation) in item.as_object().unwrap_or(&nothing) {
            let asks = operation.get("security").is_some();
            let answers = |status: &str| operation["responses"].get(status).is_some();
            claim(asks == guarded.contains(path), format!("{method} {path} is on the wrong side of the guard"));
            claim(asks == answers("401"), format!("{method} {path} asks for a token, or does not refuse without one"));
            claim(answers("500") && answers("504"), format!("{method} {path} never fails"));
        }
    }
    let mut references = Vec::new();
    collect(&api, &mut references);
    claim(references.len() > 10, "there are no schemas".to_owned());
    for reference in references {
        claim(api.pointer(reference.trim_start_matches('#')).is_some(), format!("{reference} is missing"));
    }
    let codes = api.pointer("/components/schemas/ErrorCode/enum").and_then(Value::as_array);
    let codes: BTreeSet<&str> = codes.into_iter().flatten().filter_map(Value::as_str).collect();
    let all: BTreeSet<&str> = ErrorCode::ALL.map(ErrorCode::as_str).into_iter().collect();
    claim(codes == all, format!("the codes are {codes:?}"));
    flaws
}

/// The paths of a router, which shows them to nobody but a debugger. Its own route for what is not found is no path.
fn paths<S>(router: &Router<S>) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let quoted = text.split('"').skip(1).step_by(2);
    quoted
        .filter(|quoted| quoted.starts_with('/') && *quoted != "/" && !quoted.contains("__private"))
        .map(str::to_owned)
        .collect()
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
