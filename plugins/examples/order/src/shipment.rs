//! Stock and shipment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell::{Error, function};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaidOrder {
    pub order_id: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    pub stock: String,
    pub order_id: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Shipment {
    pub shipment: String,
}

/// Reserves the goods of an order.
#[function]
pub fn decrement_stock(input: PaidOrder) -> Result<Reservation, Error> {
    Ok(Reservation { stock: "reserved".into(), order_id: input.order_id })
}

/// Books the shipment of an order.
#[function]
pub fn schedule_shipment(input: PaidOrder) -> Result<Shipment, Error> {
    Ok(Shipment { shipment: format!("ship-{}", input.order_id) })
}
