//! Who on a mail is a contact, a colleague, a participant (B3).
