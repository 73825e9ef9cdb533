//! `/settings/developers/api`: the reference of the API, made from its own description, so that it is as true
//! as that is.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use crate::web::State;
use crate::web::openapi;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Admin, Shell, Tab, filters, page};

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/settings/developers/api", get(show))
}

#[derive(Template)]
#[template(path = "reference.html", config = "src/web/ui/askama.toml")]
struct Page {
    shell: Shell,
    base: String,
    groups: &'static [Group],
    objects: &'static [Object],
}

/// The calls of one kind of thing.
struct Group {
    name: String,
    calls: Vec<Call>,
}

struct Call {
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Field>,
    /// The object that is sent.
    body: Option<String>,
    answers: Vec<Answer>,
}

struct Answer {
    status: String,
    words: String,
    /// The object, or else the kind of media.
    body: Option<String>,
}

/// An object of the API and its fields.
struct Object {
    name: String,
    words: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    is_required: bool,
    words: String,
}

static REFERENCE: LazyLock<(Vec<Group>, Vec<Object>)> = LazyLock::new(|| {
    let description = serde_json::to_value(openapi::description()).unwrap_or_default();
    (groups(&description), objects(&description))
});

async fn show(Shared(state): Shared<Arc<State>>, Admin(admin): Admin) -> Result<Response, Failure> {
    let (groups, objects) = &*REFERENCE;
    let (shell, base) = (admin.shell(Tab::Developers), state.public_url.clone());
    Ok(page(&Page { shell, base, groups, objects }))
}

fn groups(description: &Value) -> Vec<Group> {
    let mut groups: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for (path, item) in entries(description.get("paths")) {
        for (method, operation) in entries(Some(item)) {
            if operation.get("responses").is_some() {
                let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or("other");
                groups.entry(tag.to_owned()).or_default().push(call(method, path, operation));
            }
        }
    }
    groups.into_iter().map(|(name, calls)| Group { name, calls }).collect()
}

fn call(method: &str, path: &str, operation: &Value) -> Call {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    Call {
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(operation, "summary"),
        parameters: parameters.into_iter().flatten().map(parameter).collect(),
        body: operation.get("requestBody").and_then(media),
        answers: entries(operation.get("responses"))
            .map(|(status, answer)| Answer {
                status: status.clone(),
                words: text(answer, "description"),
                body: media(answer),
            })
            .collect(),
    }
}

fn parameter(parameter: &Value) -> Field {
    Field {
        name: text(parameter, "name"),
        kind: parameter.get("schema").map(kind).unwrap_or_default(),
        is_required: parameter.get("required").and_then(Value::as_bool).unwrap_or(false),
        words: text(parameter, "description"),
    }
}

/// The object in a body, or its kind of media.
fn media(holder: &Value) -> Option<String> {
    let (media_type, content) = entries(holder.get("content")).next()?;
    let schema = content.get("schema").map(kind).unwrap_or_default();
    Some(if media_type.ends_with("json") { schema } else { media_type.clone() })
}

fn objects(description: &Value) -> Vec<Object> {
    let schemas = entries(description.pointer("/components/schemas"));
    schemas.map(|(name, schema)| object(name, schema)).collect()
}

fn object(name: &str, schema: &Value) -> Object {
    let mut fields = Vec::new();
    collect_fields(schema, &mut fields);
    let words = match schema.get("enum").and_then(Value::as_array) {
        Some(values) => {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            format!("{} {}", text(schema, "description"), values.join(", "))
        }
        None if fields.is_empty() => format!("{} {}", text(schema, "description"), kind(schema)),
        None => text(schema, "description"),
    };
    Object { name: name.to_owned(), words, fields }
}

/// Its own fields, and those of what it is made of.
fn collect_fields(schema: &Value, fields: &mut Vec<Field>) {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|it| it == name));
    for (name, field) in entries(schema.get("properties")) {
        fields.push(Field {
            name: name.clone(),
            kind: kind(field),
            is_required: is_required(name),
            words: text(field, "description"),
        });
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        collect_fields(part, fields);
    }
}

/// A schema in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema.get(choice).and_then(Value::as_array) {
            let parts: Vec<String> = parts.iter().map(kind).collect();
            return parts.join(if choice == "allOf" { " and " } else { " or " });
        }
    }
    let word = match schema.get("type") {
        Some(Value::String(word)) => word.clone(),
        Some(Value::Array(words)) => {
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    };
    match (schema.get("items"), schema.get("format").and_then(Value::as_str)) {
        (Some(items), _) => format!("list of {}", kind(items)),
        (None, Some(format)) => format!("{word}, {format}"),
        (None, None) => word,
    }
}

fn entries(map: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    map.and_then(Value::as_object).into_iter().flatten()
}

fn text(holder: &Value, field: &str) -> String {
    holder.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_and_every_object_is_there() {
        let description = serde_json::to_value(openapi::description()).unwrap();
        let (groups, objects) = &*REFERENCE;
        let calls: Vec<&Call> = groups.iter().flat_map(|group| &group.calls).collect();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, _) in item.as_object().unwrap() {
                let fits =
                    |call: &&&Call| call.path == *path && call.method == method.to_uppercase();
                assert!(
                    calls.iter().find(fits).is_some_and(|call| !call.summary.is_empty()),
                    "{method} {path}"
                );
            }
        }
        for name in description["components"]["schemas"].as_object().unwrap().keys() {
            assert!(objects.iter().any(|object| object.name == *name), "{name}");
        }
        let message = objects.iter().find(|object| object.name == "Message").unwrap();
        let of = |name: &str| message.fields.iter().find(|field| field.name == name).unwrap();
        assert_eq!(of("to").kind, "list of Person");
        assert!(of("subject").is_required && !of("doors").words.is_empty());
    }
}
