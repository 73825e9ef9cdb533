//! What people do to a verdict, by the same calls as the API.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;

use super::one;
use crate::model::{Verdict, VerdictId};
use crate::store::{AddressUse, NewAddress};
use crate::web::State;
use crate::web::api::verdicts::{self, Release};
use crate::web::error::{Code, Problem};
use crate::web::input::{Id, OptionalJson};
use crate::web::ui::failure::Failure;
use crate::web::ui::pages::account::addresses;
use crate::web::ui::{Errors, Fields, SignedIn, done, text};

pub async fn release(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
    fields: Fields,
) -> Result<Response, Failure> {
    let verdict = one::verdict(&state, &signed_in, VerdictId(id)).await?;
    if fields.is_on("add_alias") && !signed_in.is_admin() {
        return prove_alias(&state, &signed_in, jar, &verdict).await;
    }
    // A candidate that was picked, or an address that was typed.
    let contact = fields.filled("contact_email").or(fields.filled("candidate"));
    let asked = Release {
        contact_email: contact.map(str::to_owned),
        add_alias: fields.is_on("add_alias"),
        without_files: fields.is_on("without_files"),
    };
    let shared = Shared(Arc::clone(&state));
    match verdicts::release(shared, signed_in.reader(), Id(id), OptionalJson(asked)).await {
        Ok(_) => Ok(done(jar, "flash.released", &format!("/activity/{id}"))),
        Err(problem) => refused(&state, &signed_in, id, &problem).await,
    }
}

/// An alias that a user adds is confirmed by a link sent to it: anybody's address would else become a
/// colleague's by a click. The mail waits meanwhile.
async fn prove_alias(
    state: &Arc<State>,
    signed_in: &SignedIn,
    jar: CookieJar,
    verdict: &Verdict,
) -> Result<Response, Failure> {
    let address = match verdicts::unknown_sender(state, signed_in.sub_account(), verdict).await {
        Ok((_, address)) => address,
        Err(problem) => return refused(state, signed_in, verdict.id.0, &problem).await,
    };
    let wanted = NewAddress { address, purpose: AddressUse::Alias };
    match addresses::send_link(state, signed_in, &wanted).await? {
        Ok(()) => Ok(done(jar, addresses::LINK_SENT, &format!("/activity/{}", verdict.id))),
        Err(words) => one::shown(state, signed_in, verdict.id, Errors::of_field("", words)).await,
    }
}

pub async fn discard(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    one::verdict(&state, &signed_in, VerdictId(id)).await?;
    match verdicts::discard(Shared(Arc::clone(&state)), signed_in.reader(), Id(id)).await {
        Ok(_) => Ok(done(jar, "flash.discarded", &format!("/activity/{id}"))),
        Err(problem) => refused(&state, &signed_in, id, &problem).await,
    }
}

pub async fn undo(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    one::verdict(&state, &signed_in, VerdictId(id)).await?;
    match verdicts::undo(Shared(Arc::clone(&state)), signed_in.reader(), Id(id)).await {
        Ok(_) => Ok(done(jar, "flash.undone", &format!("/activity/{id}"))),
        Err(problem) => refused(&state, &signed_in, id, &problem).await,
    }
}

async fn refused(
    state: &Arc<State>,
    signed_in: &SignedIn,
    id: uuid::Uuid,
    problem: &Problem,
) -> Result<Response, Failure> {
    let errors = match problem.code {
        Code::ContactNeeded => {
            Errors::of_field("contact_email", text::words("error.contact_needed"))
        }
        Code::ActionDoesNotFit => Errors::of_field("", text::words("error.does_not_fit")),
        _ => Errors::of_problem(problem),
    };
    one::shown(state, signed_in, VerdictId(id), errors).await
}
