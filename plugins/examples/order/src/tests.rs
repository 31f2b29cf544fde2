//! The functions, called as what they are.

use crate::notify::{
    Customer, FailedPayment, Pick, notify_payment_failure, send_order_confirmation, send_pick_notification,
};
use crate::order::{Order, validate_order};
use crate::payment::{Charge, PaymentStatus, charge_payment};
use crate::shipment::{PaidOrder, decrement_stock, schedule_shipment};
use serde_json::{Number, json, to_value};
use stepwell::Ctx;

fn charge(total: f64, card: Option<&str>) -> Charge {
    Charge { order_id: "order-1".into(), total: Number::from_f64(total), card: card.map(Into::into) }
}

#[test]
fn an_order_without_an_id_is_bad_for_good() {
    for order_id in [None, Some(String::new())] {
        let error = validate_order(Order { order_id, total: Some(1.into()) }).unwrap_err();
        assert_eq!((error.code(), error.message(), error.is_retryable()), ("bad_order", "orderId missing", false));
    }
}

#[test]
fn a_whole_total_stays_whole() {
    let order: Order = serde_json::from_value(json!({ "orderId": "order-1", "total": 120, "email": "?" })).unwrap();
    let valid = validate_order(order).unwrap();
    assert_eq!(to_value(valid).unwrap().to_string(), r#"{"orderId":"order-1","total":120,"valid":true}"#);
}

#[test]
fn the_card_is_good_for_5000() {
    let status = |total| charge_payment(&Ctx::test(), charge(total, None)).unwrap().status;
    assert_eq!(status(5000.0), PaymentStatus::Succeeded);
    assert_eq!(status(5000.01), PaymentStatus::Declined);
}

#[test]
fn the_gateway_is_down_only_at_the_first_attempt() {
    let attempt =
        |attempt| charge_payment(&Ctx::test().with_attempt(attempt), charge(10.0, Some("tok_gateway_down_once")));
    let error = attempt(1).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("gateway_down", true));
    assert_eq!(attempt(2).unwrap().status, PaymentStatus::Succeeded);
}

#[test]
fn the_other_functions_say_what_they_did() {
    let order = || PaidOrder { order_id: "order-1".into() };
    let customer = Customer { email: Some("a@example.com".into()) };
    let failed = FailedPayment { order_id: "order-1".into(), status: "declined".into() };
    assert_eq!(
        to_value((
            decrement_stock(order()).unwrap(),
            schedule_shipment(order()).unwrap(),
            send_order_confirmation(customer).unwrap(),
            send_pick_notification(Pick { shipment: "ship-1".into() }).unwrap(),
            notify_payment_failure(failed).unwrap(),
        ))
        .unwrap(),
        json!([
            { "stock": "reserved", "orderId": "order-1" },
            { "shipment": "ship-order-1" },
            { "sent": true, "to": "a@example.com" },
            { "picked": "ship-1" },
            { "notified": "order-1", "because": "declined" },
        ])
    );
}
