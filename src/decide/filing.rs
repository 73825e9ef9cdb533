//! From a ruling to a decision: the rows and events that make it true.

mod message;

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::mail::Automatic;
use crate::model::contact::PARTICIPANTS_MAX;
use crate::model::{
    Candidate, ConnectionId, Contact, ContactId, Conversation, ConversationId, Direction, Door,
    Event, EventId, EventType, FolderRole, Matched, Message, MessageKey, NewIds, Person, Reason,
    State, StoredMessageId, Sync, Thread, ThreadId, Time, Verdict, VerdictId, Via,
};

use super::case::{Case, Ruling};
use super::facts::{IdFact, ThreadFact};
use super::plan::{Copy, Joined, Place, Plan};
use super::submission::Fetched;
use super::{Change, Decision, files, sender, thread};

/// B13: how long held mail waits.
const HELD_SECONDS: i64 = 30 * 24 * 3600;
/// B2: the first repetition of a check that failed for want of DNS.
const RECHECK_SECONDS: i64 = 300;
/// T1: how long it is known that a mail was seen and not kept.
const PRIVATE_SECONDS: i64 = 30 * 24 * 3600;

/// What a ruling makes true.
pub fn decide(case: &Case<'_>, ruling: Ruling<'_>, ids: &mut NewIds) -> Decision {
    let mut draft = Draft::new(case, ids);
    match ruling {
        Ruling::Ignore(reason, matched) => draft.ignore(reason, matched),
        Ruling::Hold(reason, matched, candidates) => draft.hold(reason, matched, candidates),
        Ruling::Duplicate(message) => draft.duplicate(message),
        Ruling::SentCopy(message) => draft.sent_copy(message),
        Ruling::Private(reason) => draft.private(reason),
        Ruling::File(plan) => draft.file(&plan),
    }
    draft.ask_again();
    draft.finish()
}

/// A decision in the making.
struct Draft<'c, 'a> {
    case: &'c Case<'a>,
    ids: &'c mut NewIds,
    verdict: Verdict,
    changes: Vec<Change>,
    events: Vec<Event>,
}

impl<'c, 'a> Draft<'c, 'a> {
    fn new(case: &'c Case<'a>, ids: &'c mut NewIds) -> Self {
        let submission = case.submission;
        let again = submission.again.as_ref();
        let id = again.map_or_else(|| VerdictId(ids.next_id()), |again| again.verdict);
        let at = again.map_or(submission.received_at, |again| again.at);
        let verdict = Verdict {
            message_id: Some(submission.message_id.clone()),
            user_id: submission.owner(),
            report: submission.email.report.clone(),
            trust: Some(submission.trust.clone()),
            ..Verdict::new(id, at, submission.door, Reason::Filed)
        };
        Self { case, ids, verdict, changes: Vec::new(), events: Vec::new() }
    }

    fn finish(self) -> Decision {
        Decision {
            sub_account: self.case.submission.sub_account,
            verdict: self.verdict,
            changes: self.changes,
            events: self.events,
        }
    }

    fn now(&self) -> Time {
        self.case.submission.received_at
    }

    fn event(&mut self, event_type: EventType, object_id: Uuid) {
        let (id, at) = (EventId(self.ids.next_id()), self.now());
        self.events.push(Event { id, event_type, object_id, at });
    }

    /// The id of the row that the mail is kept in; a mail that is judged again keeps its own.
    fn stored_id(&mut self) -> StoredMessageId {
        match (&self.case.submission.again, &self.case.submission.sending) {
            (Some(again), _) => again.message,
            (None, Some(sending)) => sending.outgoing.message,
            (None, None) => StoredMessageId(self.ids.next_id()),
        }
    }

    fn ignore(&mut self, reason: Reason, matched: Matched) {
        if reason == Reason::DeliveryReport {
            self.report();
        }
        self.verdict.reason = reason;
        self.verdict.matched = matched;
    }

    fn hold(&mut self, reason: Reason, matched: Matched, candidates: Vec<Candidate>) {
        let first_seen = self.verdict.at;
        let copy = Copy::of_mail(self.case.submission);
        let message = Message { state: State::Held, ..self.message(&copy, None) };
        self.verdict.reason = reason;
        self.verdict.matched = matched;
        self.verdict.candidates = candidates;
        self.verdict.stored_message_id = Some(message.id);
        self.verdict.expires_at = Some(first_seen.plus_seconds(HELD_SECONDS));
        if sender::is_worth_a_recheck(self.case, reason) {
            self.verdict.recheck_at = Some(self.now().plus_seconds(RECHECK_SECONDS));
        }
        self.changes.push(Change::AddMessage(Box::new(message)));
        if self.case.submission.again.is_none() {
            self.event(EventType::VerdictHeld, self.verdict.id.0);
        }
    }

    fn duplicate(&mut self, message: StoredMessageId) {
        let door = self.case.submission.door;
        self.verdict.reason = Reason::Duplicate;
        self.verdict.stored_message_id = Some(message);
        let known = self.case.account.ids.values().flatten();
        let known = known.into_iter().find(|fact| fact.message == message);
        self.verdict.conversation_id = known.map(|fact| fact.conversation);
        self.keep();
        self.changes.push(Change::SeenAt { message, door });
    }

    /// S7: one message, seen once more, with the id that its Sent copy has.
    fn sent_copy(&mut self, message: StoredMessageId) {
        self.duplicate(message);
        let key = self.case.submission.message_id.key();
        let known = self.case.account.ids.get(&key);
        let is_renamed =
            known.is_none_or(|facts| !facts.iter().any(|fact| fact.own && fact.message == message));
        if is_renamed {
            let first = known.is_none_or(|facts| facts.iter().all(|fact| !fact.own));
            self.changes.push(Change::AddAlias { key, message, own: true, first });
        }
        self.changes.push(Change::SentCopySeen { message, is_renamed });
        // Told if it is news: the store knows what was known of it.
        self.event(EventType::MessageSent, message.0);
    }

    /// T1: no body, no subject, no address; for a month, the key of its id.
    fn private(&mut self, reason: Reason) {
        let submission = self.case.submission;
        let sent = submission.is_in_sent();
        self.verdict.reason = reason;
        self.verdict.message_id = None;
        self.verdict.private_key = Some(submission.private_key());
        self.verdict.matched.what = sent.then(|| FolderRole::Sent.name().to_owned());
        self.verdict.report.clear();
        self.verdict.trust = None;
        self.verdict.expires_at = Some(self.now().plus_seconds(PRIVATE_SECONDS));
    }

    /// B2: mail in a Sent folder was written by its user, also that of which a copy is held.
    fn ask_again(&mut self) {
        if self.case.submission.is_in_sent() {
            let (key, at) = (self.case.submission.message_id.key(), self.now());
            self.changes.push(Change::AskAgain { key, at });
        }
    }

    /// V1: a mail that was seen before and not kept has one verdict, now this one.
    fn keep(&mut self) {
        let submission = self.case.submission;
        let Some(user) = submission.owner().filter(|_| submission.found.is_some()) else { return };
        let key = submission.private_key();
        if self.case.account.private.contains_key(&key) {
            self.changes.push(Change::Keep { key, user });
        }
    }

    /// B8: a delivery report marks the mail it reports on, when it did not arrive for good. At the smart
    /// BCC address, where anybody may write, only what the CRM sent.
    fn report(&mut self) {
        let submission = self.case.submission;
        let email = &submission.email;
        let found = submission.found.iter().flat_map(|found| &found.reports_on);
        let ids = found.chain(email.reports_on()).chain(&email.headers.in_reply_to);
        let facts = ids.filter_map(|id| self.case.account.ids.get(&id.key())).flatten();
        let is_meant =
            |fact: &&IdFact| submission.found.is_some() || fact.doors.contains(Door::Send);
        let message = facts.filter(|fact| fact.own).find(is_meant).map(|fact| fact.message);
        let report = &email.report;
        if let Some(message) = message.filter(|_| report.iter().any(|it| it.hard)) {
            let (report, at) = (report.clone(), self.now());
            self.changes.push(Change::Bounced { message, report, at });
            self.event(EventType::MessageBounced, message.0);
        }
    }

    fn file(&mut self, plan: &Plan<'a>) {
        self.keep();
        if self.case.submission.email.automatic == Some(Automatic::DeliveryReport) {
            self.report();
        }
        let (conversation, thread) = self.place(plan);
        let state = self.reason(plan);
        let message = Message {
            state,
            conversation_id: Some(conversation),
            thread_id: Some(thread),
            direction: Some(plan.direction),
            user_id: plan.user,
            id_conflict: plan.id_conflict,
            ..self.message(&plan.copy, plan.copy.carrier.and(plan.copy.date))
        };
        self.verdict.user_id = plan.user;
        self.verdict.conversation_id = Some(conversation);
        self.verdict.stored_message_id = Some(message.id);
        self.aliases(plan, message.id, thread);
        self.event(EventType::MessageFiled, message.id.0);
        self.changes.push(Change::AddMessage(Box::new(message)));
        self.links(plan, conversation);
    }

    /// Why it is filed; or skipped, when a file of it is too large (A2).
    fn reason(&mut self, plan: &Plan<'_>) -> State {
        let submission = self.case.submission;
        let without = submission.again.as_ref().is_some_and(|again| again.without_files);
        let large = files::oversize(plan.copy.files, &self.case.account.settings);
        self.verdict.matched.rule = Some(plan.rule.to_owned());
        if submission.found.as_ref().is_some_and(|it| it.fetched == Fetched::TooLarge) {
            self.verdict.matched = Matched::default();
            self.verdict.reason = Reason::AttachmentTooLarge;
            return State::Skipped;
        }
        if let Some(file) = large.filter(|_| !without) {
            self.verdict.matched =
                Matched { what: Some(file.file_name.clone()), ..Matched::default() };
            self.verdict.reason = Reason::AttachmentTooLarge;
            return State::Skipped;
        }
        if let Some(whom) = whom(plan) {
            self.verdict.matched.address = Some(whom.email.normal().to_owned());
        }
        if plan.copy.carrier.is_some() && plan.direction == Direction::Outbound {
            // B6: in a forward of one's own mail, whom it was sent to is the contact.
            self.verdict.matched.what = Some("To".to_owned());
        }
        self.verdict.reason = match (submission.is_released(), plan.id_conflict) {
            (true, _) => Reason::Released,
            (false, true) => Reason::IdConflict,
            (false, false) => Reason::Filed,
        };
        if self.verdict.reason != Reason::Filed {
            self.verdict.matched.rule = None;
        }
        State::Filed
    }

    /// The conversation and the thread it is filed in, made where they do not exist.
    fn place(&mut self, plan: &Plan<'a>) -> (ConversationId, ThreadId) {
        match &plan.place {
            Place::Thread(joined) => self.join(joined, plan),
            Place::In(conversation) => self.within(*conversation, plan),
            Place::With(people) => {
                let owner = people.first().copied();
                // Plans with people have at least one: `people::contacts_of` sees to it.
                let conversation = match owner {
                    Some(owner) => self.conversation_of(owner),
                    None => ConversationId(self.ids.next_id()),
                };
                self.within(conversation, plan)
            }
        }
    }

    fn within(
        &mut self,
        conversation: ConversationId,
        plan: &Plan<'a>,
    ) -> (ConversationId, ThreadId) {
        match thread::find_in(self.case.account, &plan.copy, conversation) {
            Some(joined) => self.join(&joined, plan),
            None => (conversation, self.new_thread(conversation, plan)),
        }
    }

    fn join(&mut self, joined: &Joined, plan: &Plan<'_>) -> (ConversationId, ThreadId) {
        let copy = &plan.copy;
        let Joined { thread, conversation, merge } = joined;
        for from in merge {
            let (from, into, conversation) = (*from, *thread, *conversation);
            self.changes.push(Change::MergeThread { from, into, conversation });
        }
        let known = self.case.account.threads.get(thread);
        let is_new = |address: &String| known.is_none_or(|it| !it.participants.contains(address));
        let participants: Vec<String> =
            self.participants(copy).into_iter().filter(is_new).collect();
        let indexes = &self.case.account.thread_indexes;
        let thread_index = copy.thread_index.filter(|guid| !indexes.contains_key(guid));
        if !participants.is_empty() || thread_index.is_some() {
            let thread = *thread;
            self.changes.push(Change::ExtendThread { thread, participants, thread_index });
        }
        if let Some((known, connection)) = known.zip(self.tracking(plan)) {
            self.changes.extend(self.followed(*thread, known, connection));
        }
        (*conversation, *thread)
    }

    /// A thread that nobody follows is followed from now on. One that has stopped, because its mailbox was
    /// replaced or disconnected, goes on by what the CRM sends through another connection, which syncs (M4):
    /// whoever answers that answers in this thread. Nothing is searched for: that is `resume` (M5).
    fn followed(
        &self,
        thread: ThreadId,
        known: &ThreadFact,
        connection: ConnectionId,
    ) -> Option<Change> {
        let is_sent = self.case.submission.sending.is_some();
        match known.sync {
            Sync::None => Some(Change::TrackThread { thread, connection, search: true }),
            Sync::Stopped if is_sent && known.connection != Some(connection) => {
                Some(Change::ReopenThread { thread, connection })
            }
            Sync::Stopped | Sync::Tracked => None,
        }
    }

    /// T1: the connection that follows a thread which this mail opens: a copy at the smart BCC address
    /// does when the switch is on, and mail that was found in a mailbox or is sent through it (S4).
    fn tracking(&self, plan: &Plan<'_>) -> Option<ConnectionId> {
        let submission = self.case.submission;
        if let Some(sending) = &submission.sending {
            return match sending.outgoing.via {
                Via::Mailbox(connection) => Some(connection),
                Via::Relay => None,
            };
        }
        match (&submission.found, submission.door) {
            (Some(found), _) => Some(found.connection),
            (None, Door::Smtp) if self.case.account.settings.bcc_starts_thread => {
                plan.user.and_then(|user| self.case.account.connections.get(&user).copied())
            }
            (None, _) => None,
        }
    }

    /// T10: might the mailbox have more of the thread than this mail? Nothing can have answered what is
    /// only now being sent; but an answer, be it of a machine, may come sooner than a copy by SMTP.
    fn may_have_more(&self, copy: &Copy<'_>) -> bool {
        let begins = copy.in_reply_to.is_empty() && copy.references.is_empty();
        self.case.submission.sending.is_none() || !begins
    }

    fn conversation_of(&mut self, owner: &Person) -> ConversationId {
        let known = self.case.account.contacts.get(owner.email.normal());
        if let Some(conversation) = known.and_then(|contact| contact.conversation) {
            return conversation;
        }
        let contact_id = match known {
            Some(contact) => contact.id,
            None => self.new_contact(owner),
        };
        let id = ConversationId(self.ids.next_id());
        let created_at = self.now();
        self.changes.push(Change::AddConversation(Conversation { id, contact_id, created_at }));
        self.event(EventType::ConversationCreated, id.0);
        id
    }

    fn new_contact(&mut self, person: &Person) -> ContactId {
        let id = ContactId(self.ids.next_id());
        let source = match self.case.submission.door {
            Door::Import => "import",
            Door::Send => "api",
            _ => "smart_bcc",
        };
        let contact = Contact {
            id,
            email: person.email.clone(),
            name: person.name.clone(),
            source,
            created_at: self.now(),
        };
        self.changes.push(Change::AddContact(contact));
        self.event(EventType::ContactCreated, id.0);
        id
    }

    fn new_thread(&mut self, conversation_id: ConversationId, plan: &Plan<'_>) -> ThreadId {
        let copy = &plan.copy;
        let id = ThreadId(self.ids.next_id());
        let connection = self.tracking(plan);
        if let Some(connection) = connection.filter(|_| self.may_have_more(copy)) {
            self.changes.push(Change::TrackThread { thread: id, connection, search: true });
        }
        let indexes = &self.case.account.thread_indexes;
        self.changes.push(Change::AddThread(Thread {
            id,
            conversation_id,
            subject: copy.subject.to_owned(),
            thread_index: copy.thread_index.filter(|guid| !indexes.contains_key(guid)),
            participants: self.participants(copy),
            connection,
            created_at: self.now(),
        }));
        id
    }

    /// Everybody on the mail but ourselves.
    fn participants(&self, copy: &Copy<'_>) -> BTreeSet<String> {
        let people = copy.people().filter(|person| !self.case.is_ours(&person.email));
        people.map(|person| person.email.normal().to_owned()).take(PARTICIPANTS_MAX).collect()
    }

    /// B4: the other contacts of the mail list it too. In a known thread nobody becomes a contact.
    fn links(&mut self, plan: &Plan<'a>, conversation: ConversationId) {
        let Some(message) = self.verdict.stored_message_id else { return };
        let others: Vec<ContactId> = match &plan.place {
            Place::With(people) => {
                people.iter().skip(1).map(|person| self.contact_of(person)).collect()
            }
            Place::Thread(_) | Place::In(_) => self.known_contacts(&plan.copy, conversation),
        };
        for contact in others {
            self.changes.push(Change::LinkContact { contact, message });
        }
    }

    fn contact_of(&mut self, person: &Person) -> ContactId {
        match self.case.account.contacts.get(person.email.normal()) {
            Some(contact) => contact.id,
            None => self.new_contact(person),
        }
    }

    fn known_contacts(&self, copy: &Copy<'_>, conversation: ConversationId) -> Vec<ContactId> {
        let contacts = &self.case.account.contacts;
        let on_it = copy.from.into_iter().chain(copy.to);
        let known = on_it.filter_map(|person| contacts.get(person.email.normal()));
        let others = known.filter(|contact| contact.conversation != Some(conversation));
        others.map(|contact| contact.id).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The ids it is known by, and those it names (T2).
    fn aliases(&mut self, plan: &Plan<'_>, message: StoredMessageId, thread: ThreadId) {
        let copy = &plan.copy;
        let own: BTreeSet<_> = [Some(copy.message_id), copy.carrier]
            .into_iter()
            .flatten()
            .map(|id| id.key())
            .collect();
        let named = copy.in_reply_to.iter().chain(copy.references).map(|id| id.key());
        // An id that a message of the thread has or names already leads there without this row.
        let leads_there = |key: &MessageKey| {
            let facts = self.case.account.ids.get(key);
            facts.is_some_and(|facts| facts.iter().any(|fact| fact.thread == thread))
        };
        let named: BTreeSet<_> =
            named.filter(|key| !own.contains(key) && !leads_there(key)).collect();
        for key in own {
            let known = self.case.account.ids.get(&key);
            let first = known.is_none_or(|facts| facts.iter().all(|fact| !fact.own));
            self.changes.push(Change::AddAlias { key, message, own: true, first });
        }
        for key in named {
            self.changes.push(Change::AddAlias { key, message, own: false, first: false });
        }
    }
}

/// Whom the sentence of a filed mail is about: whose conversation it is in, or who answered (B7).
fn whom<'p>(plan: &'p Plan<'_>) -> Option<&'p Person> {
    match &plan.place {
        Place::With(people) => people.first().copied(),
        Place::Thread(_) if plan.rule == "B7" => plan.copy.from,
        Place::Thread(_) | Place::In(_) => None,
    }
}
