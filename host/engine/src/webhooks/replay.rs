//! A delivery is repeated by hand: what it brought arrives again, as a delivery of its own.

use super::arrival::{Arrival, Replay};
use super::receive::Received;
use super::{Event, Route};
use crate::Error;
use crate::engine::Engine;
use stepwell_core::definition::Scheme;
use stepwell_core::ids::TenantId;

impl Engine {
    /// Starts again from what a delivery brought, by the definition as it is now: a new delivery, and a new execution.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the delivery, or if nobody has its webhook any more; [`Error::Conflict`] `delivery_refused` for one that was
    /// refused; [`Error::Unavailable`].
    pub async fn replay(&self, tenant: TenantId, id: &str, by: &str) -> Result<Received, Error> {
        self.accepting()?;
        let not_found = || Error::NotFound { what: "delivery", id: id.to_owned() };
        let delivery = self.stored_delivery(tenant, id).await?.ok_or_else(not_found)?;
        let Some(event) = self.stored_event(tenant, id).await? else {
            let message =
                format!("the delivery {id} was refused, and what it brought is not kept; its sender may send it again");
            return Err(Error::Conflict { code: "delivery_refused", message });
        };
        let name = format!("{} {}", delivery.method, delivery.path);
        let Route::Here(webhook) = self.webhook(tenant, &delivery.path, &delivery.method).await? else {
            return Err(Error::NotFound { what: "webhook", id: name });
        };
        let event: Event =
            serde_json::from_str(event.as_str()).map_err(|e| Error::broken("a delivery cannot be read", &e))?;
        let scheme = delivery.scheme.as_deref();
        let arrival = Arrival {
            webhook,
            scheme: Scheme::ALL.into_iter().find(|known| Some(known.word()) == scheme),
            signature: if delivery.signature == "valid" { "valid" } else { "none" },
            key: delivery.key,
            body: event.data,
            about: event.webhook,
            size: delivery.size,
            replay: Some(Replay { of: delivery.id, by: by.to_owned(), timestamp: event.timestamp }),
        };
        self.arrive(arrival).await
    }
}
