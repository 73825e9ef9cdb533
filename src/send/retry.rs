//! What follows from a server's answer: sent, failed, tried again or not known. Pure.

use crate::model::outgoing::{DeliveryState, Route};
use crate::model::{SendStatus, Time};

/// What the server made of a try, as a whole. What it made of each recipient is in the route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the mail, for those whom it took.
    Accepted { reply: String },
    /// Never.
    Refused { reply: String },
    /// Not now.
    Later { reply: String },
    /// Not before the user has authorised the mailbox again (S1).
    NotYet { reply: String },
    /// It may have the mail or not (S5).
    Unknown { why: String },
}

/// How long it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The wait after the first failure, on average; it doubles.
    pub first_seconds: i64,
    /// The longest wait.
    pub longest_seconds: i64,
    /// From the first failure on, until it is given up.
    pub give_up_seconds: i64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_seconds: 60, longest_seconds: 3_600, give_up_seconds: 24 * 3_600 }
    }
}

/// The tries before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    pub attempts: u32,
    /// Set by the first try that failed.
    pub deadline: Option<Time>,
}

/// How the mail stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    pub status: SendStatus,
    pub due_at: Option<Time>,
    pub deadline: Option<Time>,
    pub detail: Option<String>,
}

/// What follows. `random` spreads the tries of many mails; those who are still waiting in the route when
/// it is given up are refused there.
pub fn next(
    answer: Answer,
    route: &mut Route,
    tries: Tries,
    now: Time,
    (random, patience): (u32, &Patience),
) -> Next {
    let deadline = tries.deadline.unwrap_or(now.plus_seconds(patience.give_up_seconds));
    let again = |detail| Next {
        status: SendStatus::Retrying,
        due_at: Some(now.plus_seconds(wait(tries.attempts, random, patience))),
        deadline: Some(deadline),
        detail: Some(detail),
    };
    match answer {
        // It may be found to be absent and tried again: not time and again without end.
        Answer::Unknown { why } => Next {
            status: SendStatus::Unknown,
            due_at: None,
            deadline: Some(deadline),
            detail: Some(why),
        },
        Answer::Accepted { .. } if route.waiting().next().is_some() && now < deadline => {
            again(said_of_waiting(route))
        }
        Answer::Later { reply } if now < deadline => again(reply),
        // What the user takes their time for is no failure: patience begins anew after it.
        Answer::NotYet { reply } => Next { deadline: None, ..again(reply) },
        Answer::Accepted { reply } => {
            ended(route, Some(reply), "It was put off until it was given up.")
        }
        Answer::Later { reply } => ended(route, None, &reply),
        Answer::Refused { reply } => ended(route, None, &reply),
    }
}

/// A mail that is refused is refused for those whom the server took for it; who was put off in the dialog
/// was not among them, and is tried again.
pub fn parted(answer: Answer, before: &Route, route: &mut Route) -> Answer {
    let Answer::Refused { reply } = &answer else { return answer };
    let mut is_parted = false;
    for (delivery, former) in route.recipients.iter_mut().zip(&before.recipients) {
        if delivery.state == DeliveryState::Accepted && former.state == DeliveryState::Waiting {
            delivery.state = DeliveryState::Refused;
            delivery.reply = Some(reply.clone());
            is_parted = true;
        }
    }
    match is_parted && route.waiting().next().is_some() {
        true => Answer::Later { reply: said_of_waiting(route) },
        false => answer,
    }
}

/// The route as it is when the server did not take the mail: whom it took in the dialog got nothing.
pub fn undone(before: &Route, after: Route) -> Route {
    let mut route = after;
    for (delivery, former) in route.recipients.iter_mut().zip(&before.recipients) {
        if delivery.state == DeliveryState::Accepted {
            delivery.state = former.state;
        }
    }
    route
}

/// It is given up for another reason than an answer: for those who got it before, it stays sent.
pub fn given_up(route: &mut Route, why: &str) -> Next {
    ended(route, None, why)
}

/// It is not tried any more: those who did not get it will not.
fn ended(route: &mut Route, accepted: Option<String>, why: &str) -> Next {
    for delivery in &mut route.recipients {
        if delivery.state == DeliveryState::Waiting {
            delivery.state = DeliveryState::Refused;
            delivery.reply.get_or_insert_with(|| why.to_owned());
        }
    }
    let count = |state| route.recipients.iter().filter(|it| it.state == state).count();
    let (taken, refused) = (count(DeliveryState::Accepted), count(DeliveryState::Refused));
    let status = match (taken, refused) {
        (0, _) => SendStatus::Failed,
        (_, 0) => SendStatus::Sent,
        (_, _) => SendStatus::Bounced,
    };
    let detail = match status {
        SendStatus::Sent => accepted,
        _ => Some(said_of_refused(route).unwrap_or_else(|| why.to_owned())),
    };
    Next { status, due_at: None, deadline: None, detail }
}

fn said_of_waiting(route: &Route) -> String {
    let waiting = route.recipients.iter().filter(|it| it.state == DeliveryState::Waiting);
    let said = waiting.filter_map(|it| it.reply.clone()).next();
    said.unwrap_or_else(|| "Some recipients were put off.".to_owned())
}

fn said_of_refused(route: &Route) -> Option<String> {
    let mut refused = route.recipients.iter().filter(|it| it.state == DeliveryState::Refused);
    refused.find_map(|it| it.reply.clone())
}

/// Doubling, from half to one and a half of its length, so that a thousand mails do not come back in one
/// second.
fn wait(attempts: u32, random: u32, patience: &Patience) -> i64 {
    let doubled = patience.first_seconds.saturating_mul(1 << attempts.min(20));
    let whole = doubled.min(patience.longest_seconds).max(1);
    let spread = whole.saturating_mul(i64::from(random)) / i64::from(u32::MAX);
    (whole / 2 + spread).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    const NOW: Time = Time::from_seconds(1_000_000);
    const PATIENCE: Patience =
        Patience { first_seconds: 60, longest_seconds: 3_600, give_up_seconds: 86_400 };

    fn route(states: &[DeliveryState]) -> Route {
        let address = |n: usize| Address::parse(&format!("{n}@c.example")).unwrap();
        let mut route = Route::new(address(99), (0..states.len()).map(address));
        for (delivery, state) in route.recipients.iter_mut().zip(states) {
            delivery.state = *state;
        }
        route
    }

    fn answers() -> [Answer; 4] {
        let words = || "words".to_owned();
        [
            Answer::Accepted { reply: words() },
            Answer::Refused { reply: words() },
            Answer::Later { reply: words() },
            Answer::Unknown { why: words() },
        ]
    }

    #[test]
    fn every_answer_has_its_consequence_at_every_age() {
        use SendStatus::{Failed, Retrying, Sent, Unknown};
        let state = [DeliveryState::Accepted, DeliveryState::Waiting];
        for attempts in [0, 1, 5, 30, u32::MAX] {
            for (is_over, expected) in [
                (false, [Sent, Failed, Retrying, Unknown]),
                (true, [Sent, Failed, Failed, Unknown]),
            ] {
                for (answer, status) in answers().into_iter().zip(expected) {
                    let accepted = matches!(answer, Answer::Accepted { .. });
                    let mut route = route(&state[usize::from(!accepted)..][..1]);
                    let deadline =
                        (attempts > 0).then(|| NOW.plus_seconds(if is_over { 0 } else { 9 }));
                    if is_over && attempts == 0 {
                        continue;
                    }
                    let tries = Tries { attempts, deadline };
                    let next = next(answer.clone(), &mut route, tries, NOW, (7, &PATIENCE));
                    assert_eq!(next.status, status, "{answer:?} {attempts} {is_over}");
                    assert_eq!(next.due_at.is_some(), status == Retrying);
                    assert_eq!(next.detail.as_deref(), Some("words"));
                }
            }
        }
    }

    #[test]
    fn recipients_are_settled_one_by_one() {
        use DeliveryState::{Accepted, Refused, Waiting};
        use SendStatus::{Bounced, Failed, Retrying, Sent};
        let rows: [(&[DeliveryState], bool, SendStatus); 7] = [
            (&[Accepted, Accepted], false, Sent),
            (&[Accepted, Refused], false, Bounced),
            (&[Accepted, Waiting], false, Retrying),
            (&[Accepted, Waiting], true, Bounced),
            (&[Refused, Waiting], true, Failed),
            (&[Refused, Refused], false, Failed),
            (&[Accepted, Refused, Waiting], false, Retrying),
        ];
        for (states, is_over, status) in rows {
            let mut route = route(states);
            let deadline = Some(if is_over { NOW } else { NOW.plus_seconds(1) });
            let answer = Answer::Accepted { reply: "250 ok".to_owned() };
            let tries = Tries { attempts: 1, deadline };
            let next = next(answer, &mut route, tries, NOW, (0, &PATIENCE));
            assert_eq!(next.status, status, "{states:?} {is_over}");
            assert_eq!(route.waiting().next().is_some(), status == Retrying);
        }
    }

    #[test]
    fn who_was_taken_in_a_dialog_that_failed_is_tried_again() {
        use DeliveryState::{Accepted, Refused, Waiting};
        let before = route(&[Accepted, Waiting, Waiting, Waiting]);
        let after = route(&[Accepted, Accepted, Refused, Waiting]);
        let states: Vec<_> = undone(&before, after).recipients.iter().map(|it| it.state).collect();
        assert_eq!(states, [Accepted, Waiting, Refused, Waiting]);
    }

    #[test]
    fn a_mail_is_refused_for_those_alone_who_were_taken_for_it() {
        use DeliveryState::{Accepted, Refused, Waiting};
        let refused = || Answer::Refused { reply: "554".to_owned() };
        for (after, is_later, states) in [
            ([Accepted, Accepted, Waiting], true, [Accepted, Refused, Waiting]),
            ([Accepted, Accepted, Refused], false, [Accepted, Refused, Refused]),
            // Nobody was asked for: it was refused before.
            ([Accepted, Waiting, Waiting], false, [Accepted, Waiting, Waiting]),
        ] {
            let (before, mut route) = (route(&[Accepted, Waiting, Waiting]), route(&after));
            let answer = parted(refused(), &before, &mut route);
            assert_eq!(matches!(answer, Answer::Later { .. }), is_later, "{after:?}");
            assert_eq!(route.recipients.iter().map(|it| it.state).collect::<Vec<_>>(), states);
        }
    }

    #[test]
    fn the_waits_double_and_stay_within_their_bounds() {
        let mut whole = 60;
        for attempts in 0..40 {
            let [least, most] = [0, u32::MAX].map(|random| wait(attempts, random, &PATIENCE));
            assert_eq!((least, most), (whole / 2, whole / 2 + whole), "{attempts}");
            whole = (whole * 2).min(3_600);
        }
    }

    #[test]
    fn waiting_for_the_user_uses_up_no_patience() {
        for deadline in [None, Some(NOW.plus_seconds(9)), Some(NOW)] {
            let answer = Answer::NotYet { reply: "words".to_owned() };
            let mut route = route(&[DeliveryState::Waiting]);
            let tries = Tries { attempts: 3, deadline };
            let next = next(answer, &mut route, tries, NOW, (0, &PATIENCE));
            assert_eq!((next.status, next.deadline), (SendStatus::Retrying, None));
            assert!(next.due_at.is_some_and(|due| due > NOW));
        }
    }

    #[test]
    fn not_to_know_is_a_failure_too() {
        let unknown = || Answer::Unknown { why: "words".to_owned() };
        let mut route = route(&[DeliveryState::Waiting]);
        let first = next(unknown(), &mut route, Tries::default(), NOW, (0, &PATIENCE));
        assert_eq!(first.deadline, Some(NOW.plus_seconds(86_400)));
        let tries = Tries { attempts: 1, deadline: first.deadline };
        let second = next(unknown(), &mut route, tries, NOW.plus_seconds(999), (0, &PATIENCE));
        assert_eq!(second.deadline, first.deadline);
    }

    #[test]
    fn the_deadline_counts_from_the_first_failure() {
        let later = || Answer::Later { reply: "451".to_owned() };
        let mut route = route(&[DeliveryState::Waiting]);
        let first = next(later(), &mut route, Tries::default(), NOW, (0, &PATIENCE));
        assert_eq!(first.deadline, Some(NOW.plus_seconds(86_400)));
        let tries = Tries { attempts: 1, deadline: first.deadline };
        let second = next(later(), &mut route, tries, NOW.plus_seconds(60), (0, &PATIENCE));
        assert_eq!(second.deadline, first.deadline);
    }
}
