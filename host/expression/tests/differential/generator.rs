//! Random expressions of the language, mostly of fitting types, now and then not.

use super::random::Random;

/// Stands before and after the operand of `typeof`, which the two sides write differently (row D14).
pub const TYPEOF: (char, char) = ('\u{1}', '\u{2}');

const PROPERTIES: [&str; 12] = [
    "a",
    "b",
    "id",
    "ok",
    "name",
    "tags",
    "length",
    "constructor",
    "__proto__",
    "hasOwnProperty",
    "valueOf",
    "missing",
];
const NUMBERS: [&str; 17] = [
    "0",
    "1",
    "2",
    "3",
    "5",
    "-1",
    "0.5",
    "2.5",
    "100",
    "1e21",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "1_000",
    "-0",
    "1e-7",
];
const TEXTS: [&str; 17] = [
    "''",
    "'a'",
    "\"b\"",
    "'l'",
    "'ab'",
    "','",
    "' '",
    "'0'",
    "'12'",
    "' 7 '",
    "'$&-$$'",
    "'\\u00e9'",
    "'id'",
    "'\\x41\\n'",
    "'undefined'",
    "'1'",
    "'0b11'",
];

/// Writes one random expression.
pub struct Generator<'r> {
    pub random: &'r mut Random,
    /// Whether texts may be split at any unit only through methods, because the oracle cannot mend an index.
    pub astral: bool,
    locals: Vec<String>,
}

impl<'r> Generator<'r> {
    pub fn new(random: &'r mut Random, astral: bool) -> Self {
        Self { random, astral, locals: Vec::new() }
    }

    pub fn any(&mut self, depth: usize) -> String {
        match self.random.below(12) {
            0..=2 => self.number(depth),
            3..=5 => self.text(depth),
            6 | 7 => self.truth(depth),
            8 | 9 => self.list(depth),
            10 => self.object(depth),
            _ => self.value(depth),
        }
    }

    /// Something of unknown type.
    fn value(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.leaf();
        }
        let d = depth - 1;
        match self.random.below(12) {
            0 => format!("({} ? {} : {})", self.any(d), self.any(d), self.any(d)),
            1 => format!("({} ?? {})", self.any(d), self.any(d)),
            2 => format!("({} || {})", self.any(d), self.any(d)),
            3 => format!("({} && {})", self.any(d), self.any(d)),
            4 | 5 => self.path(d),
            6 => format!("{}.find({})", self.list(d), self.arrow(d)),
            7 => format!("{}.at({})", self.list(d), self.number(d)),
            8 => {
                let body = self.with_locals(&["acc", "x"], |g| g.any(d));
                format!("{}.reduce((acc, x) => {body}{})", self.list(d), self.initial(d))
            }
            9 if !self.astral => format!("{}[{}]", self.list(d), self.any(d)),
            _ => self.leaf(),
        }
    }

    fn initial(&mut self, depth: usize) -> String {
        if self.random.once_in(3) { String::new() } else { format!(", {}", self.any(depth)) }
    }

    fn leaf(&mut self) -> String {
        if !self.locals.is_empty() && !self.random.once_in(3) {
            return self.locals[self.random.below(self.locals.len())].clone();
        }
        let ghost = self.random.once_in(20);
        match self.random.below(6) {
            _ if ghost => "ghost".into(),
            0 => self.random.pick(&["null", "undefined", "true", "false"]).into(),
            _ => self.random.pick(&["n", "m", "s", "t", "b", "nil", "nums", "list", "rows", "o", "any"]).into(),
        }
    }

    fn path(&mut self, depth: usize) -> String {
        let mut path = if self.random.once_in(2) { self.leaf() } else { format!("({})", self.any(depth)) };
        for _ in 0..=self.random.below(3) {
            let dot = self.random.pick(&[".", "?.", "?."]);
            match self.random.below(4) {
                0 if !self.astral => {
                    path.push_str(if dot == "." { "" } else { dot });
                    path.push_str(&format!("[{}]", self.any(depth)));
                }
                1 => path.push_str(&format!("{dot}{}", self.method(depth))),
                _ => path.push_str(&format!("{dot}{}", self.random.pick(&PROPERTIES))),
            }
        }
        path
    }

    /// A method call without its receiver, which may not have it.
    fn method(&mut self, depth: usize) -> String {
        match self.random.below(7) {
            0 => format!("slice({})", self.number(depth)),
            1 => format!("includes({})", self.any(depth)),
            2 => format!("map({})", self.arrow(depth)),
            3 => "trim()".into(),
            4 => "toString()".into(),
            5 => format!("at({})", self.number(depth)),
            _ => format!("concat({})", self.any(depth)),
        }
    }

    pub fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return if self.random.once_in(3) { self.random.pick(&["n", "m"]) } else { self.random.pick(&NUMBERS) }
                .into();
        }
        let d = depth - 1;
        match self.random.below(20) {
            0..=3 => {
                let op = self.random.pick(&["+", "-", "*", "/", "%"]);
                format!("({} {op} {})", self.number(d), self.number(d))
            }
            4 => format!("({} {} {})", self.any(d), self.random.pick(&["+", "-", "*", "%"]), self.any(d)),
            5 => format!(
                "({} ** {})",
                self.random.pick(&["2", "10", "(-3)", "0.5", "n"]),
                self.random.pick(&["2", "3", "-1", "0", "b"])
            ),
            6 => format!("({} {})", self.random.pick(&["-", "+"]), self.any(d)),
            7 => {
                let name = self.random.pick(&["abs", "ceil", "floor", "round", "trunc", "sign", "sqrt"]);
                format!("Math.{name}({})", self.number(d))
            }
            8 => {
                let name = self.random.pick(&["min", "max"]);
                let first = if self.random.once_in(2) { format!("...{}", self.list(d)) } else { self.any(d) };
                format!("Math.{name}({first}, {})", self.number(d))
            }
            9 => format!("Number({})", self.any(d)),
            10 => format!("parseInt({}{})", self.text(d), self.random.pick(&["", "", ", 10", ", 16", ", 2", ", 1"])),
            11 => format!("{}({})", self.random.pick(&["parseFloat", "Number.parseFloat"]), self.text(d)),
            12 => format!("{}.length", self.text(d)),
            13 => format!("{}.length", self.list(d)),
            14 => {
                let name = self.random.pick(&["indexOf", "lastIndexOf"]);
                format!("{}.{name}({}{})", self.text(d), self.text(d), self.optional_number(d))
            }
            15 => {
                let name = self.random.pick(&["indexOf", "lastIndexOf"]);
                format!("{}.{name}({}{})", self.list(d), self.any(d), self.optional_number(d))
            }
            16 => format!("{}.findIndex({})", self.list(d), self.arrow(d)),
            17 => format!("{}.{}({})", self.text(d), self.random.pick(&["charCodeAt", "codePointAt"]), self.number(d)),
            18 => format!("nums.reduce((acc, x) => acc + x, {})", self.number(d)),
            _ => self.value(d),
        }
    }

    fn optional_number(&mut self, depth: usize) -> String {
        if self.random.once_in(2) { String::new() } else { format!(", {}", self.number(depth)) }
    }

    pub fn text(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.random.below(3) {
                0 => "s".into(),
                1 => "t".into(),
                _ => self.random.pick(&TEXTS).into(),
            };
        }
        let d = depth - 1;
        match self.random.below(20) {
            0 => format!("({} + {})", self.text(d), self.any(d)),
            1 => format!("`{}${{{}}}-${{{}}}`", self.random.pick(&["", "a", "\\n$", "'"]), self.any(d), self.any(d)),
            2 => format!("String({})", self.any(d)),
            3 => format!("{}{}{}", TYPEOF.0, self.any(d), TYPEOF.1),
            4 => {
                let name =
                    self.random.pick(&["toLowerCase", "toUpperCase", "trim", "trimStart", "trimEnd", "toString"]);
                format!("{}.{name}()", self.text(d))
            }
            5 | 6 => {
                let name = self.random.pick(&["slice", "substring"]);
                format!("{}.{name}({}{})", self.text(d), self.number(d), self.optional_number(d))
            }
            7 => format!("{}.{}({})", self.text(d), self.random.pick(&["at", "charAt"]), self.number(d)),
            8 => {
                let name = self.random.pick(&["replace", "replaceAll"]);
                format!("{}.{name}({}, {})", self.text(d), self.text(d), self.text(d))
            }
            9 => {
                let name = self.random.pick(&["padStart", "padEnd"]);
                let fill = if self.random.once_in(2) { String::new() } else { format!(", {}", self.text(d)) };
                format!("{}.{name}({}{fill})", self.text(d), self.random.pick(&["0", "3", "8", "n", "m", "'5'", "NaN"]))
            }
            10 => {
                format!("{}.repeat({})", self.text(d), self.random.pick(&["0", "1", "3", "2.7", "-1", "'2'", "n", "m"]))
            }
            11 => format!("{}.concat({}, {})", self.text(d), self.any(d), self.any(d)),
            12 => {
                format!("{}.join({})", self.list(d), if self.random.once_in(2) { String::new() } else { self.any(d) })
            }
            13 => format!(
                "({}).toFixed({})",
                self.number(d),
                self.random.pick(&["", "0", "1", "2", "10", "-1", "101", "'2'"])
            ),
            14 => format!(
                "({}).toString({})",
                self.number(d),
                self.random.pick(&["", "10", "2", "16", "36", "1", "undefined"])
            ),
            15 | 16 => format!("JSON.stringify({})", self.any(d)),
            17 => format!("{}.toString()", self.list(d)),
            _ => self.value(d),
        }
    }

    pub fn truth(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.random.pick(&["true", "false", "b"]).into();
        }
        let d = depth - 1;
        match self.random.below(15) {
            0..=3 => {
                let op = self.random.pick(&["===", "!==", "==", "!=", "<", "<=", ">", ">="]);
                format!("({} {op} {})", self.any(d), self.any(d))
            }
            4 => format!("({} {} {})", self.text(d), self.random.pick(&["<", "<=", ">", ">="]), self.text(d)),
            5 => format!("!{}", self.any(d)),
            6 => format!("({} {} {})", self.truth(d), self.random.pick(&["&&", "||", "??"]), self.truth(d)),
            7 => {
                let key = self.random.pick(&["'a'", "'1'", "0", "'length'", "'constructor'", "n", "'-0'"]);
                format!("({key} in {})", if self.random.once_in(2) { self.object(d) } else { self.any(d) })
            }
            8 => {
                let name = self.random.pick(&["includes", "startsWith", "endsWith"]);
                format!("{}.{name}({}{})", self.text(d), self.text(d), self.optional_number(d))
            }
            9 => format!("{}.includes({}{})", self.list(d), self.any(d), self.optional_number(d)),
            10 => format!("{}.{}({})", self.list(d), self.random.pick(&["some", "every"]), self.arrow(d)),
            11 => format!("Boolean({})", self.any(d)),
            12 => format!("Number.{}({})", self.random.pick(&["isInteger", "isFinite", "isNaN"]), self.any(d)),
            13 => format!("Array.isArray({})", self.any(d)),
            _ => self.value(d),
        }
    }

    pub fn list(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.random.pick(&["nums", "list", "rows", "[]", "[1, 'a', null]"]).into();
        }
        let d = depth - 1;
        match self.random.below(17) {
            0 | 1 => format!("[{}, {}]", self.any(d), self.any(d)),
            2 => format!("[...{}, {}]", if self.random.once_in(2) { self.list(d) } else { self.any(d) }, self.any(d)),
            3 | 4 => format!("{}.map({})", self.list(d), self.arrow(d)),
            5 | 6 => format!("{}.filter({})", self.list(d), self.arrow(d)),
            7 => format!("{}.flatMap({})", self.list(d), self.arrow(d)),
            8 => format!("{}.flat({})", self.list(d), self.random.pick(&["", "0", "1", "2", "Infinity", "'1'"])),
            9 => format!("{}.slice({}{})", self.list(d), self.number(d), self.optional_number(d)),
            10 => format!("{}.concat({}, {})", self.list(d), self.any(d), self.any(d)),
            11 => {
                let limit = self.random.pick(&["", "", ", 2", ", 0", ", -1"]);
                format!("{}.split({}{limit})", self.text(d), self.text(d))
            }
            12 | 13 => format!("Object.{}({})", self.random.pick(&["keys", "values", "entries"]), self.any(d)),
            14 => format!("{}.{}()", self.list(d), self.random.pick(&["toSorted", "toReversed"])),
            15 => "nums.toSorted((a, c) => a - c)".into(),
            _ => self.list(0),
        }
    }

    pub fn object(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.random.pick(&["o", "{}", "{a: 1}"]).replace('{', "({").replace('}', "})");
        }
        let d = depth - 1;
        match self.random.below(5) {
            0 => format!("({{a: {}, 'b': {}, 1: {}}})", self.any(d), self.any(d), self.any(d)),
            1 => format!("({{[{}]: {}, n, id: {}}})", self.text(d), self.any(d), self.any(d)),
            2 if !self.astral => format!("({{...{}, a: {}}})", self.any(d), self.any(d)),
            3 => format!("{}.at({})", "rows", self.number(d)),
            _ => self.object(0),
        }
    }

    fn arrow(&mut self, depth: usize) -> String {
        let name = ["x", "y", "z"][self.locals.len() % 3];
        match self.random.below(6) {
            0 => self.random.pick(&["Boolean", "Number", "String", "parseInt"]).into(),
            1 => format!("({name}, i) => {}", self.with_locals(&[name, "i"], |g| g.body(depth))),
            2 => format!("({name}, i, all) => {}", self.with_locals(&[name, "i", "all"], |g| g.body(depth))),
            _ => format!("{name} => {}", self.with_locals(&[name], |g| g.body(depth))),
        }
    }

    fn body(&mut self, depth: usize) -> String {
        let body = self.any(depth);
        if body.starts_with('{') { format!("({body})") } else { body }
    }

    fn with_locals(&mut self, names: &[&str], write: impl FnOnce(&mut Self) -> String) -> String {
        let before = self.locals.len();
        self.locals.extend(names.iter().map(|name| (*name).to_owned()));
        let written = write(self);
        self.locals.truncate(before);
        written
    }
}
