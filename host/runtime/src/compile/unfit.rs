//! The reasons why an upload is refused.

use crate::text::printable;
use serde::{Deserialize, Serialize};
use stepwell_engine::ports::Unfit;

/// Longest message, in bytes.
const MESSAGE_BYTES: usize = 2 << 10;

/// Stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    InvalidWasm,
    WrongWorld,
    UnsupportedFeature,
    ComponentTooComplex,
    CompileTimeout,
    CompileMemory,
    InvalidMetadata,
    ComponentTooLarge,
    InvalidScript,
}

impl Code {
    /// As the API spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InvalidWasm => "invalid_wasm",
            Self::WrongWorld => "wrong_world",
            Self::UnsupportedFeature => "unsupported_feature",
            Self::ComponentTooComplex => "component_too_complex",
            Self::CompileTimeout => "compile_timeout",
            Self::CompileMemory => "compile_memory",
            Self::InvalidMetadata => "invalid_metadata",
            Self::ComponentTooLarge => "component_too_large",
            Self::InvalidScript => "invalid_script",
        }
    }
}

/// A refusal. The message may quote the upload: it is made safe to show.
pub(crate) fn unfit(code: Code, message: impl AsRef<str>) -> Unfit {
    Unfit { code: code.name(), message: printable(message.as_ref(), MESSAGE_BYTES), place: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_serde_spells_them() {
        for code in [
            Code::InvalidWasm,
            Code::WrongWorld,
            Code::UnsupportedFeature,
            Code::ComponentTooComplex,
            Code::CompileTimeout,
            Code::CompileMemory,
            Code::InvalidMetadata,
            Code::ComponentTooLarge,
            Code::InvalidScript,
        ] {
            assert_eq!(serde_json::to_string(&code).expect("serializes"), format!("\"{}\"", code.name()));
        }
    }
}
