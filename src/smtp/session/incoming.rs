//! Content on its way in, by DATA or BDAT, and its end.

use super::transaction::Finished;
use super::{Action, Asked, Chunk, Session, State, Step};
use crate::model::{Envelope, Time};
use crate::smtp::{MailObject, reply};

impl Session {
    /// Goes on with DATA.
    pub(super) fn step_data(&mut self, now: Time) -> Step {
        let (State::Data(reader), Some(transaction)) = (&mut self.state, &mut self.transaction)
        else {
            return self.back_to_commands();
        };
        let input = self.input.rest();
        if input.is_empty() {
            return Step::Starved;
        }
        if let Some((bytes, behind)) = transaction.content.set_aside() {
            return Step::Ask(Action::SetAside { bytes, behind });
        }
        let count = reader.read(input, &mut transaction.content);
        let is_done = reader.is_done();
        self.input.consume(count);
        if is_done { self.finish(now) } else { Step::Again }
    }

    /// Goes on with a chunk.
    pub(super) fn step_chunk(&mut self, mut chunk: Chunk, now: Time) -> Step {
        if chunk.left == 0 {
            return self.end_chunk(chunk, now);
        }
        let mut input = self.input.rest();
        if input.is_empty() {
            return Step::Starved;
        }
        // RFC 3030 2: the bytes are counted and never looked at, whether they are wanted or not.
        input =
            usize::try_from(chunk.left).ok().and_then(|left| input.get(..left)).unwrap_or(input);
        if let (None, Some(transaction)) = (chunk.refused, &mut self.transaction) {
            if let Some((bytes, behind)) = transaction.content.set_aside() {
                return Step::Ask(Action::SetAside { bytes, behind });
            }
            transaction.content.push(input);
        }
        let count = input.len();
        self.input.consume(count);
        chunk.left -= count as u64;
        self.state = State::Chunk(chunk);
        Step::Again
    }

    fn end_chunk(&mut self, chunk: Chunk, now: Time) -> Step {
        if let Some(reply) = chunk.refused {
            self.state = State::Command;
            return self.say(reply);
        }
        let fault = self.transaction.as_ref().and_then(|transaction| transaction.content.fault());
        if chunk.last || fault.is_some() {
            return self.finish(now);
        }
        reply::chunk(&mut self.output, chunk.bytes);
        self.back_to_commands()
    }

    /// The content has ended: it is delivered or refused.
    fn finish(&mut self, now: Time) -> Step {
        self.state = State::Command;
        let Some(transaction) = self.transaction.take() else { return Step::Again };
        match transaction.finish(self.options.limits.hops) {
            Ok(finished) => {
                self.asked = Some(Asked::Delivery);
                let aside = finished.content.aside;
                Step::Ask(Action::Deliver { mail: self.mail_object(finished, now), aside })
            }
            Err((fault, rejection)) => {
                self.actions.extend(rejection.map(Action::Reject));
                self.say(fault.reply())
            }
        }
    }

    fn mail_object(&self, finished: Finished, now: Time) -> MailObject {
        let envelope = Envelope {
            reverse_path: finished.reverse_path,
            recipients: finished.recipients,
            peer: self.peer,
            helo: self.helo().to_owned(),
            tls: self.is_tls,
            received_at: now,
        };
        MailObject { envelope, content: finished.content.bytes }
    }

    fn back_to_commands(&mut self) -> Step {
        self.state = State::Command;
        Step::Again
    }
}
