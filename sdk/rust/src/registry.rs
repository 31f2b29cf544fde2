//! The functions of a component: found by name, called with JSON text.

use crate::{Ctx, Error};
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};
use serde_json::json;

/// One function, as `#[function]` registers it.
pub struct Registration {
    /// What the host calls it.
    pub name: &'static str,
    /// The doc comment, or empty.
    pub description: &'static str,
    /// What it wants to use besides computing: JSON text, or empty.
    pub grants: &'static str,
    /// Runs it: JSON text in, JSON text out.
    pub call: fn(&Ctx, &str) -> Result<String, Error>,
    /// The schemas of its types. They are computed, and so they are no part of what a plain build writes.
    #[cfg(not(target_arch = "wasm32"))]
    pub schemas: fn() -> crate::metadata::Schemas,
}

inventory::collect!(Registration);

/// The input of a function that takes none.
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Runs the function that `ctx` names. An unknown name is the permanent failure `unknown_function`.
///
/// # Errors
/// The function's own, `unknown_function`, and those of [`call`].
pub fn run(ctx: &Ctx, input: &str) -> Result<String, Error> {
    let found = inventory::iter::<Registration>.into_iter().find(|function| function.name == ctx.function);
    match found {
        Some(function) => (function.call)(ctx, input),
        None => Err(unknown_function(&ctx.function)),
    }
}

fn unknown_function(name: &str) -> Error {
    let mut known: Vec<_> = inventory::iter::<Registration>.into_iter().map(|function| function.name).collect();
    known.sort_unstable();
    let message = format!("this component has no function {name:?}; it has: {}", known.join(", "));
    Error::permanent("unknown_function", message)
}

/// Decodes the input, calls the function, encodes what it returns.
///
/// # Errors
/// The function's own; `invalid_input` with the path of the field that does not fit; `invalid_output`. Both are permanent.
pub fn call<I, O, E>(input: &str, function: impl FnOnce(I) -> Result<O, E>) -> Result<String, Error>
where
    I: DeserializeOwned,
    O: Serialize,
    E: Into<Error>,
{
    let output = function(decode(input)?).map_err(Into::into)?;
    serde_json::to_string(&output).map_err(|error| Error::permanent("invalid_output", error.to_string()))
}

fn decode<I: DeserializeOwned>(input: &str) -> Result<I, Error> {
    let mut json = serde_json::Deserializer::from_str(input);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // The root is spelled "." there.
        let path = error.path().iter().next().map(|_| error.path().to_string()).unwrap_or_default();
        invalid_input(&path, error.inner())
    })?;
    json.end().map_err(|error| invalid_input("", &error))?;
    Ok(value)
}

fn invalid_input(path: &str, error: &serde_json::Error) -> Error {
    let place = if path.is_empty() { "input".to_owned() } else { format!("input.{path}") };
    Error::permanent("invalid_input", format!("{place}: {error}")).details(json!({ "path": path }))
}
