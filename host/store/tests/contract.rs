//! The contract of all stores, kept by the one on disk.

#![allow(clippy::expect_used)]

use std::sync::Arc;
use stepwell_engine::contract::store::Subject;
use stepwell_engine::ports::Store;
use stepwell_store::{SledConfig, SledStore};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }
}

#[async_trait::async_trait]
impl Subject for Folder {
    async fn open(&mut self) -> Arc<dyn Store> {
        Arc::new(SledStore::open(&SledConfig::new(self.0.path().join("store"))).expect("the store opens"))
    }
}

stepwell_engine::store_contract!(Folder::new());
