//! Log lines: they are kept with the attempt that wrote them. Natively they go to stderr.
//!
//! ```
//! let total = 12.5;
//! stepwell::info!("charged {total}");
//! stepwell::warn!("slow payment service", attempt = 3, milliseconds = 1200);
//! stepwell::debug!("{} of {}", 1, 2);
//! ```
//!
//! `name = value` after the text is a field of the line, searchable by its name; the value is anything with [`std::fmt::Display`].

use std::fmt::{Arguments, Display};

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every detail.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What happened, in normal operation.
    Info,
    /// Something unexpected that did not stop the work.
    Warn,
    /// Something that failed.
    Error,
}

/// Longest message, and longest value of a field, in bytes: the host keeps no more of an attempt's log, and it stops a guest that
/// hands over megabytes in one call.
const TEXT_BYTES: usize = 64 << 10;

/// Writes one line with its fields. The macros call it.
pub fn write(level: Level, message: Arguments<'_>, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).into(), cut(value.to_string()))).collect();
    emit(level, &cut(message.to_string()), &fields);
}

/// Cuts a text at a character's boundary and marks the cut.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        let end = (0..=TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(target_arch = "wasm32")]
use crate::guest::log as emit;

#[cfg(not(target_arch = "wasm32"))]
fn emit(level: Level, message: &str, fields: &[(String, String)]) {
    let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    eprintln!("{level:?}: {message}{fields}");
}

/// Writes a log line: `log!(Level::Info, "charged {total}", order = id)`.
#[macro_export]
macro_rules! log {
    ($level:expr, $format:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::log::write($level, ::core::format_args!($format), &[$((::core::stringify!($name), &$value)),*])
    };
    ($level:expr, $($format:tt)+) => {
        $crate::log::write($level, ::core::format_args!($($format)+), &[])
    };
}

/// Writes a log line of the level [`Trace`](crate::log::Level::Trace).
#[macro_export]
macro_rules! trace { ($($line:tt)+) => { $crate::log!($crate::log::Level::Trace, $($line)+) }; }

/// Writes a log line of the level [`Debug`](crate::log::Level::Debug).
#[macro_export]
macro_rules! debug { ($($line:tt)+) => { $crate::log!($crate::log::Level::Debug, $($line)+) }; }

/// Writes a log line of the level [`Info`](crate::log::Level::Info).
#[macro_export]
macro_rules! info { ($($line:tt)+) => { $crate::log!($crate::log::Level::Info, $($line)+) }; }

/// Writes a log line of the level [`Warn`](crate::log::Level::Warn).
#[macro_export]
macro_rules! warn { ($($line:tt)+) => { $crate::log!($crate::log::Level::Warn, $($line)+) }; }

/// Writes a log line of the level [`Error`](crate::log::Level::Error).
#[macro_export]
macro_rules! error { ($($line:tt)+) => { $crate::log!($crate::log::Level::Error, $($line)+) }; }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = cut("ü".repeat(TEXT_BYTES));
        assert!(long.len() <= TEXT_BYTES + '…'.len_utf8() && long.ends_with('…'));
        assert_eq!(cut("short".to_owned()), "short");
    }
}
