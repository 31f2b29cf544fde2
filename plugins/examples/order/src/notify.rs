//! Messages to the customer and to the warehouse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell::{Error, function};

#[derive(Deserialize, JsonSchema)]
pub struct Customer {
    pub email: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Confirmation {
    pub sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Tells the customer that the order is on its way.
#[function]
pub fn send_order_confirmation(input: Customer) -> Result<Confirmation, Error> {
    Ok(Confirmation { sent: true, to: input.email })
}

#[derive(Deserialize, JsonSchema)]
pub struct Pick {
    pub shipment: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Picked {
    pub picked: String,
}

/// Tells the warehouse what to pick.
#[function]
pub fn send_pick_notification(input: Pick) -> Result<Picked, Error> {
    Ok(Picked { picked: input.shipment })
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedPayment {
    pub order_id: String,
    pub status: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct FailureNotice {
    pub notified: String,
    pub because: String,
}

/// Tells the customer why the payment failed.
#[function]
pub fn notify_payment_failure(input: FailedPayment) -> Result<FailureNotice, Error> {
    Ok(FailureNotice { notified: input.order_id, because: input.status })
}
