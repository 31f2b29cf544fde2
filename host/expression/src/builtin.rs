//! The closed list of functions and methods (row D7 of the semantics page). All are pure and give the same answer
//! on every machine: no randomness, locale, regular expressions or functions whose last digit varies (row D14).

/// A function, called by its full name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Ceil,
    Floor,
    Round,
    Trunc,
    Sign,
    Min,
    Max,
    Sqrt,
    Number,
    String,
    Boolean,
    IsInteger,
    IsFinite,
    IsNan,
    ParseInt,
    ParseFloat,
    IsArray,
    Keys,
    Values,
    Entries,
    Stringify,
}

const FUNCTIONS: [(&str, Function); 24] = [
    ("Math.abs", Function::Abs),
    ("Math.ceil", Function::Ceil),
    ("Math.floor", Function::Floor),
    ("Math.round", Function::Round),
    ("Math.trunc", Function::Trunc),
    ("Math.sign", Function::Sign),
    ("Math.min", Function::Min),
    ("Math.max", Function::Max),
    ("Math.sqrt", Function::Sqrt),
    ("Number", Function::Number),
    ("String", Function::String),
    ("Boolean", Function::Boolean),
    ("Number.isInteger", Function::IsInteger),
    ("Number.isFinite", Function::IsFinite),
    ("Number.isNaN", Function::IsNan),
    ("Number.parseInt", Function::ParseInt),
    ("Number.parseFloat", Function::ParseFloat),
    ("parseInt", Function::ParseInt),
    ("parseFloat", Function::ParseFloat),
    ("Array.isArray", Function::IsArray),
    ("Object.keys", Function::Keys),
    ("Object.values", Function::Values),
    ("Object.entries", Function::Entries),
    ("JSON.stringify", Function::Stringify),
];

/// Names that belong to the functions, so that they are never looked up in the scope.
const GLOBALS: [&str; 9] = ["Math", "JSON", "Number", "String", "Boolean", "Array", "Object", "parseInt", "parseFloat"];

impl Function {
    pub(crate) fn named(name: &str) -> Option<Function> {
        FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// Whether it may stand by its name where a callback is expected: `.filter(Boolean)`.
    pub(crate) fn is_callback(self) -> bool {
        !matches!(self, Self::Stringify)
    }
}

/// Whether the name is one of the functions' own.
pub(crate) fn is_global(name: &str) -> bool {
    GLOBALS.contains(&name)
}

/// The functions whose names begin with `prefix`, for an error message.
pub(crate) fn function_names(prefix: &str) -> String {
    let names = FUNCTIONS.iter().map(|(name, _)| *name).filter(|name| name.starts_with(prefix));
    names.collect::<Vec<_>>().join(", ")
}

/// A method, called on a value that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    At,
    CharAt,
    CharCodeAt,
    CodePointAt,
    Concat,
    EndsWith,
    Every,
    Filter,
    Find,
    FindIndex,
    Flat,
    FlatMap,
    Includes,
    IndexOf,
    Join,
    LastIndexOf,
    Map,
    PadEnd,
    PadStart,
    Reduce,
    Repeat,
    Replace,
    ReplaceAll,
    Slice,
    Some,
    Split,
    StartsWith,
    Substring,
    ToFixed,
    ToLowerCase,
    ToReversed,
    ToSorted,
    ToString,
    ToUpperCase,
    Trim,
    TrimEnd,
    TrimStart,
}

const METHODS: [(&str, Method); 37] = [
    ("at", Method::At),
    ("charAt", Method::CharAt),
    ("charCodeAt", Method::CharCodeAt),
    ("codePointAt", Method::CodePointAt),
    ("concat", Method::Concat),
    ("endsWith", Method::EndsWith),
    ("every", Method::Every),
    ("filter", Method::Filter),
    ("find", Method::Find),
    ("findIndex", Method::FindIndex),
    ("flat", Method::Flat),
    ("flatMap", Method::FlatMap),
    ("includes", Method::Includes),
    ("indexOf", Method::IndexOf),
    ("join", Method::Join),
    ("lastIndexOf", Method::LastIndexOf),
    ("map", Method::Map),
    ("padEnd", Method::PadEnd),
    ("padStart", Method::PadStart),
    ("reduce", Method::Reduce),
    ("repeat", Method::Repeat),
    ("replace", Method::Replace),
    ("replaceAll", Method::ReplaceAll),
    ("slice", Method::Slice),
    ("some", Method::Some),
    ("split", Method::Split),
    ("startsWith", Method::StartsWith),
    ("substring", Method::Substring),
    ("toFixed", Method::ToFixed),
    ("toLowerCase", Method::ToLowerCase),
    ("toReversed", Method::ToReversed),
    ("toSorted", Method::ToSorted),
    ("toString", Method::ToString),
    ("toUpperCase", Method::ToUpperCase),
    ("trim", Method::Trim),
    ("trimEnd", Method::TrimEnd),
    ("trimStart", Method::TrimStart),
];

/// What a method does with a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callbacks {
    None,
    Optional,
    Required,
}

impl Method {
    pub(crate) fn named(name: &str) -> Option<Method> {
        METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
    }

    pub(crate) fn name(self) -> &'static str {
        METHODS.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }

    /// Whether its first argument is a function.
    pub(crate) fn callbacks(self) -> Callbacks {
        match self {
            Self::Every
            | Self::Filter
            | Self::Find
            | Self::FindIndex
            | Self::FlatMap
            | Self::Map
            | Self::Reduce
            | Self::Some => Callbacks::Required,
            Self::ToSorted => Callbacks::Optional,
            _ => Callbacks::None,
        }
    }

    /// Most arguments after the callback that it understands.
    pub(crate) fn arguments_after_callback(self) -> usize {
        usize::from(self == Self::Reduce)
    }
}

/// Why a method that people may look for is not there.
pub(crate) fn missing_method(name: &str) -> String {
    let reason = match name {
        "sort" => "it changes its array; use `toSorted`",
        "reverse" => "it changes its array; use `toReversed`",
        "push" | "pop" | "shift" | "unshift" | "splice" | "fill" | "copyWithin" => "it changes its array",
        "match" | "matchAll" | "search" | "test" | "exec" => "regular expressions are not supported",
        "toLocaleString" | "toLocaleLowerCase" | "toLocaleUpperCase" | "localeCompare" | "normalize" => {
            "its answer depends on the machine"
        }
        "substr" => "use `slice` or `substring`",
        "forEach" => "it gives no value; use `map`",
        _ => return format!("`{name}` is not a method that expressions know"),
    };
    format!("the method `{name}` is not supported: {reason}")
}
