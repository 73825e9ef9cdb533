//! `mailweave migrate`: the store's tables brought up to date, and nothing else.

use super::{Ending, Error, make_store, print};
use crate::config::Config;

pub(super) async fn run(config: Config) -> Result<Ending, Error> {
    // Opening migrates: what is done already is not done again.
    make_store(&config).await?.close().await;
    print("The store's tables are up to date.\n")?;
    Ok(Ending::Good)
}
