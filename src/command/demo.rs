//! `mailweave demo`: the gateway with a data directory that is thrown away, and a conversation in it.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::{Ending, Error, serve};
use crate::app;
use crate::config::Config;

pub(super) async fn run(mut config: Config) -> Result<Ending, Error> {
    let set_filter = serve::start_log(&config, "warn");
    let directory = Directory::make()?;
    config.store_url = format!("sqlite:{}", directory.0.join("mailweave.db").display()).into();
    config.tls.certificate = directory.0.join("cert.pem");
    config.tls.key = directory.0.join("key.pem");
    // Under a domain for first steps, the samples are believed by their From (B2).
    config.smtp.domains = vec!["bcc.localhost".to_owned()];
    config.data_dir = directory.0.clone();
    app::demo(config, set_filter).await?;
    Ok(Ending::Good)
}

/// Goes with all that is in it.
struct Directory(PathBuf);

impl Directory {
    fn make() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("mailweave-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear.
        let _ = fs::remove_dir_all(&self.0);
    }
}
