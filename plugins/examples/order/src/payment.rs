//! Payment. The provider is a stand-in: it declines what is over 5000, and it knows one test card.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use stepwell::{Ctx, Error, function};

/// What the card is good for.
const CARD_LIMIT: f64 = 5000.0;

/// A test card, as payment providers have them: the first attempt to charge it meets a gateway that is down.
const GATEWAY_DOWN_ONCE: &str = "tok_gateway_down_once";

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    pub order_id: String,
    pub total: Option<Number>,
    /// The provider's name for the card.
    pub card: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub status: PaymentStatus,
    pub order_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Number>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PaymentStatus {
    Succeeded,
    Declined,
}

/// Charges the card for the total of an order. A declined card is a result, not a failure.
#[function]
pub fn charge_payment(ctx: &Ctx, input: Charge) -> Result<Payment, Error> {
    if input.card.as_deref() == Some(GATEWAY_DOWN_ONCE) && ctx.attempt == 1 {
        return Err(Error::retryable("gateway_down", "the payment gateway does not answer"));
    }
    let over_limit = input.total.as_ref().and_then(Number::as_f64).is_some_and(|total| total > CARD_LIMIT);
    let status = if over_limit { PaymentStatus::Declined } else { PaymentStatus::Succeeded };
    stepwell::info!("charged", order = input.order_id, status = format!("{status:?}"), attempt = ctx.attempt);
    Ok(Payment { status, order_id: input.order_id, amount: input.total })
}
