//! Functions as they are shown: with what becomes of their wishes by the policies of this moment.

use crate::engine::Engine;
use crate::{Deployed, Error, Function};
use stepwell_core::grants::Grants;
use stepwell_core::ids::TenantId;

/// An interface that is of no use without a grant: its name, whether it is granted, and a grant to begin with.
type Interface = (&'static str, fn(&Grants) -> bool, &'static str);

const INTERFACES: [Interface; 5] = [
    ("stepwell:capabilities/config", |granted| !granted.config.is_empty(), r#"{"config": ["REGION"]}"#),
    ("stepwell:capabilities/events", |granted| !granted.events.is_empty(), r#"{"events": ["order.*"]}"#),
    ("stepwell:capabilities/key-value", |granted| granted.key_value.is_some(), r#"{"keyValue": "write"}"#),
    (
        "stepwell:capabilities/secrets",
        |granted| !granted.secrets.is_empty(),
        r#"{"secrets": {"TOKEN": {"hosts": ["api.example.com"]}}}"#,
    ),
    ("wasi:http/outgoing-handler", |granted| !granted.http.is_empty(), r#"{"http": ["https://api.example.com"]}"#),
];

impl Engine {
    /// A function with what it gets, and what not.
    ///
    /// # Errors
    /// The store's.
    pub async fn shown(&self, tenant: TenantId, mut function: Function) -> Result<Function, Error> {
        let decision = self.inner.policies.decide(tenant, &function.grants.wanted).await?;
        (function.grants.granted, function.grants.refused) = (decision.granted, decision.refused);
        Ok(function)
    }

    /// As [`Engine::shown`], for several.
    ///
    /// # Errors
    /// The store's.
    pub async fn all_shown(&self, tenant: TenantId, functions: Vec<Function>) -> Result<Vec<Function>, Error> {
        let mut all = Vec::with_capacity(functions.len());
        for function in functions {
            all.push(self.shown(tenant, function).await?);
        }
        Ok(all)
    }

    /// What an upload came to, with a warning for each interface that it imports and may not use.
    ///
    /// # Errors
    /// The store's.
    pub async fn deployed(&self, tenant: TenantId, mut deployed: Deployed) -> Result<Deployed, Error> {
        deployed.functions = self.all_shown(tenant, deployed.functions).await?;
        for (interface, is_granted, grant) in INTERFACES {
            let imports = |name: &String| name.split('@').next() == Some(interface);
            let importing: Vec<&Function> =
                deployed.functions.iter().filter(|function| function.imports.wanted.iter().any(imports)).collect();
            if !importing.is_empty() && !importing.iter().any(|function| is_granted(&function.grants.granted)) {
                let message = format!(
                    "the component imports {interface}, but nothing of it is granted: every use will be refused; ask for it with the header Stepwell-Grants: {grant}"
                );
                deployed.warnings.push(message);
            }
        }
        Ok(deployed)
    }
}
