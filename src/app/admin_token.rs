//! The operator's token: from the configuration, or made on the first start and kept in the data
//! directory.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::config::Config;
use crate::secrets;
use crate::web::auth::new_token;

/// The token; its file is its owner's alone.
pub fn open(config: &Config) -> io::Result<SecretString> {
    if let Some(token) = &config.http.admin_token {
        return Ok(token.clone());
    }
    let path = config.data_dir.join("admin-token");
    match read(&path) {
        Ok(token) if !token.trim().is_empty() => Ok(token.trim().to_owned().into()),
        Ok(_) => make(&path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = fs::File::open(path)?;
    secrets::make_private(&file)?;
    io::read_to_string(file)
}

fn make(path: &Path) -> io::Result<SecretString> {
    let token = new_token();
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{}", token.expose_secret())?;
    file.sync_all()?;
    Ok(token)
}
