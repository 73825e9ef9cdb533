//! The latest events of a sub-account as they are told, for all readers of them at once, within bounds.
//! Pure: it neither waits nor reads anything.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::EventType;

/// An event as a stream tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub position: i64,
    pub event_type: EventType,
    /// `{type, timestamp, data}`; `None` when its object is gone.
    pub told: Option<Arc<str>>,
}

/// Frames of positions that follow one another. Older ones make room for newer.
#[derive(Debug)]
pub struct Ring {
    frames: VecDeque<Frame>,
    /// The position of the latest event, whether or not its frame is here.
    last: i64,
    bytes: usize,
    bytes_max: usize,
    /// Counts how often everything was forgotten.
    generation: u64,
}

/// What there is behind a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// The next event.
    Next(Frame),
    /// Nothing yet.
    Nothing,
    /// Something that is not here: the store has it.
    Elsewhere,
}

impl Ring {
    /// One that is empty up to that position.
    pub const fn new(last: i64, bytes_max: usize) -> Self {
        Self { frames: VecDeque::new(), last, bytes: 0, bytes_max, generation: 0 }
    }

    /// The position of the latest event, and what to hand to [`Self::push`] with the next.
    pub const fn last(&self) -> (i64, u64) {
        (self.last, self.generation)
    }

    /// Adds what was made since [`Self::last`] was asked. Refused when everything was forgotten
    /// meanwhile: it may tell what was erased.
    pub fn push(&mut self, frame: Frame, generation: u64) -> bool {
        if generation != self.generation || frame.position != self.last + 1 {
            return false;
        }
        self.last = frame.position;
        self.bytes += frame.size();
        self.frames.push_back(frame);
        // The newest stays, however large: all readers are about to take it.
        while self.bytes > self.bytes_max && self.frames.len() > 1 {
            self.bytes -= self.frames.pop_front().as_ref().map_or(0, Frame::size);
        }
        true
    }

    /// Forgets all frames: something was erased, and they may tell it.
    pub fn forget(&mut self) {
        self.frames.clear();
        self.bytes = 0;
        self.generation += 1;
    }

    /// What follows that position.
    pub fn after(&self, position: i64) -> After {
        if position >= self.last {
            return After::Nothing;
        }
        let first = self.frames.front().map(|frame| frame.position);
        let index = first.and_then(|first| usize::try_from(position + 1 - first).ok());
        match index.and_then(|index| self.frames.get(index)) {
            Some(frame) => After::Next(frame.clone()),
            None => After::Elsewhere,
        }
    }
}

impl Frame {
    /// Bytes it holds, more or less.
    fn size(&self) -> usize {
        size_of::<Self>() + self.told.as_ref().map_or(0, |told| told.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(position: i64, length: usize) -> Frame {
        let told = Some("x".repeat(length).into());
        Frame { position, event_type: EventType::MessageFiled, told }
    }

    fn ring(last: i64, frames: i64) -> Ring {
        let mut ring = Ring::new(last, 1_000_000);
        for position in last + 1..=last + frames {
            assert!(ring.push(frame(position, 10), 0));
        }
        ring
    }

    #[test]
    fn gives_each_reader_what_follows_its_position() {
        let ring = ring(5, 3);
        assert_eq!(ring.after(5), After::Next(frame(6, 10)));
        assert_eq!(ring.after(7), After::Next(frame(8, 10)));
        assert_eq!(ring.after(8), After::Nothing);
        assert_eq!(ring.after(9), After::Nothing);
        assert_eq!(ring.after(4), After::Elsewhere);
        assert_eq!(Ring::new(5, 10).after(5), After::Nothing);
        assert_eq!(Ring::new(5, 10).after(4), After::Elsewhere);
    }

    #[test]
    fn holds_so_many_bytes_and_always_the_newest() {
        let mut ring = Ring::new(0, 10_000);
        for position in 1..=100 {
            assert!(ring.push(frame(position, 1_000), 0));
        }
        assert!(ring.bytes <= 10_000 && ring.frames.len() > 5, "{}", ring.bytes);
        assert!(ring.push(frame(101, 50_000), 0));
        assert_eq!((ring.frames.len(), ring.after(100)), (1, After::Next(frame(101, 50_000))));
        assert_eq!(ring.after(99), After::Elsewhere);
    }

    #[test]
    fn takes_nothing_that_was_made_before_it_forgot() {
        let mut ring = ring(0, 2);
        let (last, generation) = ring.last();
        ring.forget();
        assert!(!ring.push(frame(last + 1, 10), generation));
        assert_eq!(ring.after(1), After::Elsewhere);
        let (last, generation) = ring.last();
        assert!(ring.push(frame(last + 1, 10), generation));
        assert_eq!(ring.after(2), After::Next(frame(3, 10)));
        assert!(!ring.push(frame(9, 10), generation), "a gap");
    }
}
