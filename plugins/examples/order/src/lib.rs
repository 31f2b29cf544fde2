//! The functions of the order fulfilment workflow, as one component.
#![forbid(unsafe_code)]

mod notify;
mod order;
mod payment;
mod shipment;

#[cfg(test)]
mod tests;
