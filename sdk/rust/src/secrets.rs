//! Secrets of the tenant. A function gets what its grants name: `{"secrets": {"TOKEN": {"read": true}}}` to read a value,
//! `{"secrets": {"STRIPE_KEY": {"hosts": ["api.stripe.com"]}}}` to use one without ever seeing it.

use crate::{Refused, host};

/// The value of this secret; `None` if it is not set. The host takes it out of what the function says afterwards: its result, failure,
/// log and events.
///
/// # Errors
/// [`Refused`], if it was not granted.
pub fn get(name: &str) -> Result<Option<String>, Refused> {
    host::secret(name)
}

/// A text that stands for this secret; `None` if it is not set. Put it, as it is, into the value of a header, the address or the body of an
/// outgoing request to one of the hosts that the grant names: the host puts the value in its place. Encoded, in base64 for instance, it is
/// not found.
///
/// # Errors
/// [`Refused`], if it was not granted.
pub fn reference(name: &str) -> Result<Option<String>, Refused> {
    host::reference(name)
}
