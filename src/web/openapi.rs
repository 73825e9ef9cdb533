//! The description of the API (OpenAPI 3.1), made from the calls themselves. What every call can answer
//! because of what all requests go through is added here, once.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::PartialSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response,
    ResponseBuilder, SecurityRequirement, Server,
};

use super::State;
use super::error::{Code, ProblemDetails};

/// The description without its calls.
pub fn frame() -> OpenApi {
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let mut components = Components::new();
    components.add_security_scheme("token", scheme);
    components.schemas.insert("Code".to_owned(), Code::schema());
    components.schemas.insert("Problem".to_owned(), ProblemDetails::schema());
    let info = InfoBuilder::new()
        .title("Mailweave")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Contacts, conversations and verdicts of a mail gateway."))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .servers(Some([Server::new("/")]))
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
        .build()
}

/// The whole description, as it is served.
pub fn description() -> OpenApi {
    let (_, mut description) = super::api::router().split_for_parts();
    complete(&mut description);
    description
}

/// `GET /api/v1/openapi.json`, for everybody.
pub fn router(mut description: OpenApi) -> Router<Arc<State>> {
    complete(&mut description);
    // It is made of constants; if it could not be written, no call could be described.
    let json = description.to_json().unwrap_or_default();
    let json: axum::body::Bytes = json.into();
    let answer = async move || {
        let media_type = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, media_type)], json).into_response()
    };
    Router::new().route("/api/v1/openapi.json", get(answer))
}

/// Adds what calls have in common.
fn complete(description: &mut OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let has_id = path.contains('{');
        let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in all.into_iter().flatten() {
            name_apart(operation);
            add_problems(operation, has_id);
        }
        for (operation, is_write) in [
            (&mut item.get, false),
            (&mut item.post, true),
            (&mut item.put, true),
            (&mut item.patch, true),
            (&mut item.delete, true),
        ] {
            if let (Some(operation), true) = (operation, is_write) {
                add_idempotency(operation);
            }
        }
    }
}

/// Names a call by its resource too: `list` alone is the name of many, and each must have one of its own
/// (OpenAPI 3.1.0, Operation Object), because generated clients name their functions by it.
fn name_apart(operation: &mut Operation) {
    let resource = operation.tags.iter().flatten().next();
    if let (Some(resource), Some(name)) = (resource, &operation.operation_id) {
        operation.operation_id = Some(format!("{}_{name}", resource.replace('-', "_")));
    }
}

/// The problems that a call can answer with because of how it is reached.
fn add_problems(operation: &mut Operation, has_id: bool) {
    let mut problems = vec![
        ("400", "The request cannot be read."),
        ("401", "The token is missing or not valid."),
        ("403", "The token may not do that."),
        ("408", "The body took too long to arrive."),
        ("413", "The body is too large."),
        ("429", "This address has too many connections, or reads events too often at once."),
        ("500", "Something went wrong here."),
        ("503", "The store cannot be reached."),
    ];
    if has_id {
        problems.push(("404", "There is no such thing, or it is another sub-account's."));
    }
    if operation.request_body.is_some() {
        problems.push(("415", "The body is not JSON."));
        problems.push(("422", "A value is not acceptable."));
    }
    for (status, description) in problems {
        add(operation, status, description);
    }
}

fn add_idempotency(operation: &mut Operation) {
    use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some("A call repeated with its key within 24 hours is done once."))
        .schema(Some(String::schema()))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
    add(operation, "409", "It does not fit what is there, or the first call is not done yet.");
    add(operation, "422", "A value is not acceptable, or the key was used for another request.");
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let responses = &mut operation.responses.responses;
    responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
}

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::ToSchema;

    use super::*;

    #[test]
    fn each_call_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for item in description().paths.paths.values() {
            let all = [&item.get, &item.post, &item.put, &item.patch, &item.delete];
            for operation in all.into_iter().flatten() {
                let name = operation.operation_id.clone().expect("a name");
                assert!(names.insert(name.clone()), "two calls are named {name}");
            }
        }
        assert!(names.contains("contacts_list") && names.contains("sub_accounts_create"));
    }

    #[test]
    fn names_the_problem_as_it_is_documented() {
        assert_eq!(ProblemDetails::name(), "Problem");
        assert_eq!(Code::name(), "Code");
    }
}
