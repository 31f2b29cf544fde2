//! Write Stepwell functions in Rust: what users depend on.
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use stepwell::{Ctx, Error, function};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Order {
//!     total: f64,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Receipt {
//!     paid: f64,
//! }
//!
//! /// Charges the customer's card.
//! #[function]
//! fn charge(ctx: &Ctx, input: Order) -> Result<Receipt, Error> {
//!     if input.total > 5000.0 {
//!         return Err(Error::permanent("card_declined", "the card is not good for this amount"));
//!     }
//!     stepwell::info!("charged", attempt = ctx.attempt, total = input.total);
//!     Ok(Receipt { paid: input.total })
//! }
//!
//! // A function stays a plain function: test it natively, without WebAssembly or a server.
//! let receipt = charge(&Ctx::test(), Order { total: 12.5 }).unwrap();
//! assert_eq!(receipt.paid, 12.5);
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes a component of a crate of the type `cdylib`; every `#[function]` in it can be
//! called. See the README for the whole way from an empty folder to a running function.

pub mod config;
mod ctx;
mod error;
pub mod events;
#[cfg(target_arch = "wasm32")]
mod guest;
pub mod http;
pub mod kv;
pub mod log;
#[cfg(not(target_arch = "wasm32"))]
mod metadata;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
mod refused;
mod registry;
pub mod secrets;

#[cfg(target_arch = "wasm32")]
use guest::capabilities as host;
#[cfg(not(target_arch = "wasm32"))]
use native as host;

pub use ctx::Ctx;
pub use error::Error;
#[cfg(not(target_arch = "wasm32"))]
pub use metadata::metadata;
pub use refused::{Refused, Why};
/// Makes a function callable by workflows.
///
/// - **Arguments**: `ctx: &Ctx`, `input: T` with `T: DeserializeOwned`, both in this order, or nothing.
/// - **Returns**: `Result<T, E>` with `T: Serialize` and `E: Into<stepwell::Error>`.
/// - **Name**: the function's, with `-` for `_`; or `#[function(name = "charge-payment")]`. 1 to 64 characters of `a-z`, `0-9`, `-` and
///   `_`, the first a letter. A component may hold up to 64 functions.
/// - **Description**: the doc comment, in Markdown. It is shown to people, and to agents that choose a tool.
///
/// - **Grants**: what it wants to use besides computing, as JSON: `#[function(grants = r#"{"config": ["REGION"]}"#)]`. What it gets, the
///   tenant and the operator decide.
///
/// An input that does not fit `T` is the permanent failure `invalid_input`, whose details give the path of the field.
pub use stepwell_macros::function;

/// What `#[function]` expands to. Not for direct use; it may change in any version.
#[doc(hidden)]
pub mod __private {
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::metadata::{Returned, SchemaOf, Schemas, WithSchema, WithoutSchema};
    pub use crate::registry::{Ignored, Registration, call, run};
    pub use inventory;
}
