//! Orders: are they complete?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use stepwell::{Error, function};

/// What a customer sends.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Optional here, because a missing id is this function's own failure.
    pub order_id: Option<String>,
    pub total: Option<Number>,
}

/// An order that has an id.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidOrder {
    pub order_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Number>,
    pub valid: bool,
}

/// Checks that an order has an id.
#[function]
pub fn validate_order(input: Order) -> Result<ValidOrder, Error> {
    match input.order_id {
        Some(order_id) if !order_id.is_empty() => Ok(ValidOrder { order_id, total: input.total, valid: true }),
        _ => Err(Error::permanent("bad_order", "orderId missing")),
    }
}
