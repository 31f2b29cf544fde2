//! The attacks, by what they aim at.

mod answers;
mod computing;
mod definitions;
mod floods;
mod input;
mod memory;
mod neighbours;
mod network;
mod requests;
mod scripts;
mod uploads;
mod waiting;
mod walls;

use crate::arena::Arena;
use crate::guests;
use crate::support::guest;

/// One of them.
pub struct Attack {
    /// What it does.
    pub name: &'static str,
    /// More arguments of the server.
    pub args: &'static [&'static str],
    /// Does it, and panics if it got any further than it may.
    pub act: fn(&Arena),
}

/// Attacks named after the functions that make them.
macro_rules! attacks {
    ($($name:ident),+ $(,)?) => {
        pub const ATTACKS: &[crate::corpus::Attack] =
            &[$(crate::corpus::Attack { name: stringify!($name), args: &[], act: $name }),+];
    };
}
pub(crate) use attacks;

/// All of them.
pub fn all() -> Vec<&'static Attack> {
    let rooms = [
        computing::ATTACKS,
        memory::ATTACKS,
        answers::ATTACKS,
        waiting::ATTACKS,
        floods::ATTACKS,
        uploads::ATTACKS,
        requests::ATTACKS,
        scripts::ATTACKS,
        walls::ATTACKS,
        network::ATTACKS,
        neighbours::ATTACKS,
        input::ATTACKS,
        definitions::ATTACKS,
    ];
    rooms.into_iter().flatten().collect()
}

/// Hostile functions that are quick to call, uploaded: for whoever calls them thousands of times.
pub fn cheap(arena: &Arena) -> Vec<String> {
    let run = |run: &str| guests::module("", "", run);
    let mut all = vec![
        run("(loop $more (br $more)) unreachable"),
        run("(loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 256))))) unreachable"),
        run("(call $ok (i32.const 0) (i32.const -1))"),
        run("(i32.const -8)"),
        run("(call $run (local.get $p))"),
        run("unreachable"),
        waiting::waits("(loop $more (drop (call $after (i64.const 1))) (br $more)) unreachable"),
    ];
    all.extend(["floods_log", "floods_stdout", "exits", "panics"].map(|name| guest(&format!("fixtures/{name}"))));
    all.iter().map(|wasm| arena.upload(wasm).unwrap_or_else(|answer| panic!("{:#}", answer.body))).collect()
}
