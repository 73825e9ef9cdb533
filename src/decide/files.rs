//! Attachments: what is kept, left out, or keeps its message out (A1 to A3).
