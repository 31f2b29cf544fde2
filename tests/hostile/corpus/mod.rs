//! The attacks, by what they aim at.

mod answers;
mod computing;
mod definitions;
mod floods;
mod input;
mod memory;
mod scripts;
mod uploads;
mod waiting;
mod walls;

use crate::arena::Arena;

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
        scripts::ATTACKS,
        walls::ATTACKS,
        input::ATTACKS,
        definitions::ATTACKS,
    ];
    rooms.into_iter().flatten().collect()
}
