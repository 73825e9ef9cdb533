//! The data directory and the store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::ExposeSecret;

use super::Check;
use crate::app;
use crate::config::Config;
use crate::store::{Holder, Options, Store, Tables};

/// A day of mail of a busy sub-account.
const ROOM_BYTES: u64 = 1_073_741_824;

/// Is it there, ours alone, and can it be written?
pub(super) fn data_directory(config: &Config) -> Vec<Check> {
    let (name, path) = ("data directory", &config.data_dir);
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            let found = format!("{} is not a directory", path.display());
            return vec![Check::fail(name, found, "set data_dir to a directory")];
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let found = format!("{} is not there yet", path.display());
            return vec![Check::warn(
                name,
                found,
                "nothing, if this is new: `mailweave serve` makes it",
            )];
        }
        Err(error) => {
            let found = format!("{}: {error}", path.display());
            return vec![Check::fail(
                name,
                found,
                "let this user read it, or set another data_dir",
            )];
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    vec![permissions(path, mode), writable(path)]
}

fn permissions(path: &Path, mode: u32) -> Check {
    let (name, found) = ("data directory", format!("{} has mode {mode:03o}", path.display()));
    if mode & 0o077 == 0 {
        return Check::ok(name, found);
    }
    let advice = format!("others may look into it: chmod 700 {}", path.display());
    Check::warn(name, found, advice)
}

fn writable(path: &Path) -> Check {
    let name = "data directory";
    let probe = path.join(format!(".doctor-{}", std::process::id()));
    let written = fs::write(&probe, b"probe").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => Check::ok(name, "can be written"),
        Err(error) => {
            let advice = "run it as the owner of the directory, and see that the disk is not full";
            Check::fail(name, format!("cannot be written: {error}"), advice)
        }
    }
}

/// Does it open, are its tables up to date, and is there room?
pub(super) async fn store(config: &Config) -> Check {
    let url = config.store_url.expose_secret();
    let file = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    if let Some(file) = file.filter(|file| !Path::new(file).exists()) {
        let advice = "nothing, if this is new: `mailweave serve` makes it";
        return Check::warn("store", format!("{file} is not there yet"), advice);
    }
    let kind = if file.is_some() { "SQLite" } else { "PostgreSQL" };
    let store = match Store::open(Options::new(url, Holder::Onlooker)).await {
        Ok(store) => store,
        Err(error) => {
            return Check::fail("store", format!("{kind} cannot be opened: {error}"), remedy(file));
        }
    };
    let (tables, has_room) = (store.tables().await, store.has_room_for(ROOM_BYTES));
    let is_marked = tables.is_ok() && store.key_mark().await.is_ok_and(|mark| mark.is_some());
    // Where there is no mark, the key would be made by looking at it.
    let key = match is_marked {
        true => app::secrets(config, &store).await.map(drop),
        false => Ok(()),
    };
    store.close().await;
    match tables {
        Ok(_) if key.is_err() => {
            let found = key.map_err(|error| error.to_string()).err().unwrap_or_default();
            Check::fail("store", found, "put the right key there, readable by this user alone")
        }
        Err(error) => {
            let found = format!("{kind} does not show its tables: {error}");
            Check::fail("store", found, remedy(file))
        }
        Ok(Tables::Ahead) => Check::fail(
            "store",
            format!("the tables in {kind} are those of a newer version"),
            "start that version, or a newer one",
        ),
        Ok(Tables::Behind(count)) => Check::warn(
            "store",
            format!("{kind} waits for {count} migrations of its tables"),
            "nothing: `mailweave serve` runs them, and so does `mailweave migrate`",
        ),
        Ok(Tables::UpToDate) if !has_room => Check::warn(
            "store",
            format!("{kind} has room for less than 1 GB of mail"),
            "make room: when none is left, senders are asked to come again later",
        ),
        Ok(Tables::UpToDate) => {
            Check::ok("store", format!("{kind}, its tables up to date, with room"))
        }
    }
}

fn remedy(file: Option<&str>) -> String {
    match file {
        Some(file) => format!("see that this user owns {file} and its directory"),
        None => {
            "see that PostgreSQL runs and that store.url names user, password, host and database"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn config(data_dir: &Path) -> Config {
        let text = format!("data_dir = {:?}\n", data_dir.display().to_string());
        Config::parse(&text, None, []).unwrap()
    }

    fn worst(checks: &[Check]) -> Option<Status> {
        checks.iter().map(|check| check.status).max()
    }

    #[tokio::test]
    async fn a_new_place_is_no_fault() {
        let place = tempfile::tempdir().unwrap();
        let config = config(&place.path().join("data"));
        assert_eq!(worst(&data_directory(&config)), Some(Status::Warn));
        assert_eq!(store(&config).await.status, Status::Warn);
    }

    #[test]
    fn says_when_others_may_look_into_it() {
        for (mode, expected) in [(0o700, Status::Ok), (0o750, Status::Warn), (0o707, Status::Warn)]
        {
            assert_eq!(permissions(Path::new("data"), mode).status, expected, "{mode:o}");
        }
    }

    #[test]
    fn a_file_in_its_place_is_a_fault() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("data"), "x").unwrap();
        let checks = data_directory(&config(&place.path().join("data")));
        assert_eq!(worst(&checks), Some(Status::Fail));
    }
}
