//! Metadata with schemas, for the custom section `stepwell:meta`. `wit/README.md` gives its format.
//!
//! Schemas are computed from the types at run time, so a plain `cargo build` for WebAssembly writes names and descriptions
//! only. A native program can print the complete lines: this module is what it calls.

use crate::registry::Registration;
use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value};
use std::marker::PhantomData;

/// The metadata of every function that is linked into this program, with schemas: JSON Lines, sorted by name.
#[must_use]
pub fn metadata() -> String {
    let mut functions: Vec<_> = inventory::iter::<Registration>.into_iter().collect();
    functions.sort_unstable_by_key(|function| function.name);
    functions.into_iter().map(|function| format!("{}\n", object(function))).collect()
}

fn object(function: &Registration) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), function.name.into());
    if !function.description.is_empty() {
        object.insert("description".into(), function.description.into());
    }
    if let Ok(grants) = serde_json::from_str(function.grants) {
        object.insert("grants".into(), grants);
    }
    let schemas = (function.schemas)();
    object.extend(schemas.input.map(|schema| ("inputSchema".into(), schema)));
    object.extend(schemas.output.map(|schema| ("outputSchema".into(), schema)));
    Value::Object(object)
}

/// The schemas of one function, as far as its types have one.
pub struct Schemas {
    /// Of what it accepts.
    pub input: Option<Value>,
    /// Of what it returns.
    pub output: Option<Value>,
}

/// What a function returns when it succeeds.
pub trait Returned {
    /// The type in `Ok`.
    type Output;
}

impl<T, E> Returned for Result<T, E> {
    type Output = T;
}

/// Asks for the schema of `T`, in one of its two directions.
pub struct SchemaOf<T> {
    contract: Contract,
    of: PhantomData<T>,
}

impl<T> SchemaOf<T> {
    /// As the type is deserialised.
    pub const INPUT: Self = Self { contract: Contract::Deserialize, of: PhantomData };
    /// As the type is serialised.
    pub const OUTPUT: Self = Self { contract: Contract::Serialize, of: PhantomData };
}

/// Chosen by the compiler for types with a schema.
pub trait WithSchema {
    /// The schema.
    fn schema(&self) -> Option<Value>;
}

impl<T: JsonSchema> WithSchema for SchemaOf<T> {
    fn schema(&self) -> Option<Value> {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.contract = self.contract.clone());
        Some(settings.into_generator().into_root_schema_for::<T>().to_value())
    }
}

/// Chosen for all other types: it is one reference further away from the call in `#[function]`.
pub trait WithoutSchema {
    /// None.
    fn schema(&self) -> Option<Value> {
        None
    }
}

impl<T> WithoutSchema for &SchemaOf<T> {}
