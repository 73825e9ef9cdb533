//! What a large mail has sent so far, on disk: whoever sends slowly takes up no memory that others need.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use uuid::Uuid;

/// So much of the volume stays free: the store needs it more.
const FREE_BYTES_MIN: u64 = 128 * 1_048_576;

/// The beginning of a mail. The file has no name, and goes with this.
pub struct Aside {
    file: Arc<File>,
    bytes: u64,
}

impl Aside {
    /// With nothing in it.
    pub async fn open(directory: &Path) -> io::Result<Self> {
        let directory = directory.to_owned();
        let file = on_a_thread(move || unnamed(&directory)).await?;
        Ok(Self { file: Arc::new(file), bytes: 0 })
    }

    /// Bytes that were put there.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts more there.
    pub async fn put(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let (file, count) = (Arc::clone(&self.file), bytes.len() as u64);
        on_a_thread(move || {
            let volume = rustix::fs::fstatvfs(&*file)?;
            let free = volume.f_bavail.saturating_mul(volume.f_frsize);
            if free < FREE_BYTES_MIN.min(volume.f_blocks.saturating_mul(volume.f_frsize) / 8) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            (&*file).write_all(&bytes)
        })
        .await?;
        self.bytes += count;
        Ok(())
    }

    /// All of it, and what stands behind it.
    pub async fn take(self, behind: Vec<u8>) -> io::Result<Vec<u8>> {
        on_a_thread(move || {
            let size = usize::try_from(self.bytes).map_err(io::Error::other)?;
            let mut whole = Vec::with_capacity(size + behind.len());
            (&*self.file).rewind()?;
            (&*self.file).take(self.bytes).read_to_end(&mut whole)?;
            if whole.len() != size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            whole.extend(behind);
            Ok(whole)
        })
        .await
    }
}

fn unnamed(directory: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    let unnamed = OFlags::TMPFILE.bits().cast_signed();
    options.clone().custom_flags(unnamed).open(directory).or_else(|_| {
        // Not every file system can make one without a name.
        let path = directory.join(format!("aside-{}", Uuid::new_v4()));
        let file = options.create_new(true).open(&path)?;
        std::fs::remove_file(path)?;
        Ok(file)
    })
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_back_what_was_put_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut aside = Aside::open(directory.path()).await.unwrap();
        for piece in [b"one ".to_vec(), b"two ".to_vec()] {
            aside.put(piece).await.unwrap();
        }
        assert_eq!(aside.bytes(), 8);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "it has no name");
        assert_eq!(aside.take(b"three".to_vec()).await.unwrap(), b"one two three");
        assert!(Aside::open(&directory.path().join("none")).await.is_err());
    }
}
