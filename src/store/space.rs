//! Room on the disk: mail is refused for want of it before the last byte is written, so that the store
//! can still be read, and people can still make room.

use std::path::Path;

use super::{Database, Store};

/// What always stays free, on a volume that is large enough.
const RESERVE_MAX_BYTES: u64 = 64 * 1_048_576;
/// And on a small one, this part of it.
const RESERVE_SHARE: u64 = 16;

impl Store {
    /// Is there room for so many bytes of mail? What PostgreSQL has, only PostgreSQL knows.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        match &self.database {
            Database::Sqlite(sqlite) => has_room_for(&sqlite.path, bytes),
            Database::Postgres(_) => true,
        }
    }
}

fn has_room_for(path: &Path, bytes: u64) -> bool {
    // A volume that does not tell is written to until it refuses.
    let Ok(volume) = rustix::fs::statvfs(path) else { return true };
    let available = volume.f_bavail.saturating_mul(volume.f_frsize);
    let total = volume.f_blocks.saturating_mul(volume.f_frsize);
    let reserve = RESERVE_MAX_BYTES.min(total / RESERVE_SHARE);
    // Twice: once in the write-ahead log, once in its place.
    available >= bytes.saturating_mul(2).saturating_add(reserve)
}
