//! The store, every test on both databases.

use mailweave::store::{Holder, Options, Store};

#[tokio::test]
async fn both_databases_know_every_statement() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/data/mail.db", directory.path().display());
    let store = Store::open(Options::new(url, Holder::Gateway)).await.unwrap();
    store.prepare_statements().await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
}
