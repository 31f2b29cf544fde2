//! What scripts write to the log.

use crate::guest::bindings::stepwell::function::log::{Level, log};
use rquickjs::{Function, Result};

/// Bytes of one message, and of one field's value: the host keeps no more of a line than a small part of this.
const TEXT_BYTES: usize = 16 << 10;
/// Fields of one line; the host takes no more.
const FIELDS: usize = 32;

/// The function behind `ctx.log` and `console`: a level's name, a message, and names and values in turn.
pub(crate) fn function<'js>(js: &rquickjs::Ctx<'js>) -> Result<Function<'js>> {
    Function::new(js.clone(), |level: String, message: String, fields: Vec<String>| {
        let fields: Vec<(String, String)> =
            fields.chunks_exact(2).take(FIELDS).map(|pair| (cut(&pair[0]), cut(&pair[1]))).collect();
        log(level_of(&level), &cut(&message), &fields);
    })
}

fn level_of(name: &str) -> Level {
    match name {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => Level::Info,
    }
}

/// At a character's boundary, and marked.
pub(crate) fn cut(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES)])
}
