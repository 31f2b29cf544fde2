//! Whether somebody who was let in still may be: answers that stay open end with the key, the token or the tenant of whoever reads them.

use crate::auth::Caller;
use crate::routes::App;
use crate::system::SystemClock;
use stepwell_engine::Error;
use stepwell_engine::ports::Clock as _;
use tokio::sync::watch;

/// Returns once this caller would not be let in any more: the key is revoked or has expired, or the tenant is suspended or deleted.
pub async fn lost(app: App, caller: Caller) {
    // Before the first look, so that no change is missed.
    let (mut keys, mut tenants) = (app.engine().keys().changes(), app.engine().tenants().changes());
    let expiry = async {
        match caller.expires_at {
            Some(at) => SystemClock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let mut expiry = std::pin::pin!(expiry);
    while is_let_in(&app, &caller).await {
        tokio::select! {
            () = &mut expiry => return,
            () = changed(&mut keys) => {}
            () = changed(&mut tenants) => {}
        }
    }
}

async fn is_let_in(app: &App, caller: &Caller) -> bool {
    if app.engine().tenants().check(caller.tenant).is_err() {
        return false;
    }
    match &caller.key {
        // A store that cannot be read says nothing about keys.
        Some(key) => !matches!(app.engine().keys().facts(caller.tenant, key).await, Err(Error::NotFound { .. })),
        None => true,
    }
}

async fn changed(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
