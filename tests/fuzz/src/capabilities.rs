//! The interfaces of the capabilities, as the sandbox links them.

/// By name.
pub(crate) const INTERFACES: &[&str] = &[
    "stepwell:capabilities/config",
    "stepwell:capabilities/events",
    "stepwell:capabilities/key-value",
    "stepwell:capabilities/secrets",
    "stepwell:capabilities/types",
];
