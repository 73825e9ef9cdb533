//! What a browser's form sends, and what is wrong with it.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};

use super::failure::Failure;
use crate::web::error::Problem;

/// The fields of a form that was sent. A field that is absent is empty, as browsers leave out what is not
/// ticked.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

/// Fields at most: no page has as many.
const FIELDS_MAX: usize = 1_000;

impl Fields {
    /// Reads `application/x-www-form-urlencoded`.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let fields: Vec<_> = url::form_urlencoded::parse(body)
            .take(FIELDS_MAX + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let is_good = fields.len() <= FIELDS_MAX && !fields.iter().any(|(_, it)| it.contains('\0'));
        is_good.then_some(Self(fields))
    }

    /// Fields that were read from parts.
    pub fn of(fields: Vec<(String, String)>) -> Option<Self> {
        let is_good = fields.len() <= FIELDS_MAX && !fields.iter().any(|(_, it)| it.contains('\0'));
        is_good.then_some(Self(fields))
    }

    /// The text of a field, without space around it.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The text of a field as it was typed: passwords.
    pub fn raw(&self, name: &str) -> &str {
        let mut fields = self.0.iter();
        fields.find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// The text of a field that was filled in.
    pub fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Is it ticked?
    pub fn is_on(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Every field with its value, to be sent again.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a field that is there several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.trim())
    }

    /// The entries of a text area: one a line, or with commas between.
    pub fn entries(&self, name: &str) -> Vec<String> {
        let parts = self.raw(name).split(['\n', '\r', ',', ';']).map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let is_form = kind.is_some_and(|it| it.starts_with("application/x-www-form-urlencoded"));
        let body = Bytes::from_request(request, state).await;
        let body =
            body.map_err(|_| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "error.too_large"))?;
        let fields = is_form.then(|| Self::parse(&body)).flatten();
        fields.ok_or_else(|| Failure::new(StatusCode::BAD_REQUEST, "error.form"))
    }
}

/// What is wrong with a form, by field; shown beside the fields.
#[derive(Clone, Debug, Default)]
pub struct Errors(BTreeMap<String, String>);

impl Errors {
    /// One thing that is wrong.
    pub fn of_field(field: &str, what: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, what);
        errors
    }

    /// What a call of the API refused, beside the field that it names.
    pub fn of_problem(problem: &Problem) -> Self {
        let detail = problem.detail();
        let named = detail.strip_prefix('`').and_then(|rest| rest.split_once('`'));
        match named {
            Some((field, rest)) => {
                Self::of_field(field, super::text::with("error.this", rest.trim()))
            }
            None => Self::of_field("", detail),
        }
    }

    /// Adds one thing that is wrong; the first of a field stays.
    pub fn add(&mut self, field: &str, what: impl Into<String>) {
        self.0.entry(field.to_owned()).or_insert_with(|| what.into());
    }

    /// What is wrong with a field; `""` is the form as a whole.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Is nothing wrong?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_browsers_send() {
        let fields = Fields::parse(b"a=+x+&b=1&b=2&on=on&list=one%0D%0Atwo%2C+three").unwrap();
        assert_eq!((fields.text("a"), fields.raw("a"), fields.text("none")), ("x", " x ", ""));
        assert_eq!(fields.all("b").collect::<Vec<_>>(), ["1", "2"]);
        assert!(fields.is_on("on") && !fields.is_on("off"));
        assert_eq!(fields.entries("list"), ["one", "two", "three"]);
        assert!(Fields::parse(b"a=%00").is_none());
    }

    #[test]
    fn a_problem_stands_beside_the_field_it_names() {
        let errors = Errors::of_problem(&Problem::field("email", "must be an e-mail address"));
        assert!(errors.of("email").unwrap().ends_with("must be an e-mail address."));
        assert!(Errors::of_problem(&Problem::internal()).of("").is_some());
    }
}
