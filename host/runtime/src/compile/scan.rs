//! One walk over the artifact: how large its parts are, and what its outside looks like. It runs before the compiler,
//! whose own limits are far too wide (a million functions, bodies of 7 MB).

use super::features::invalid;
use super::frame::{Refusal, refuse};
use super::unfit::Code;
use crate::engine::{MEMORY_BYTES_CEILING, TABLE_ELEMENTS};
use stepwell_engine::ports::Kind;
use wasmparser::{
    ComponentDefinedType, ComponentInstance, ComponentType, ComponentTypeDeclaration, ComponentTypeRef, ElementItems,
    Encoding, FunctionBody, Instance, InstanceTypeDeclaration, Operator, Parser, Payload,
};

/// Core modules of one component: a composed component has about ten, each costs an instance.
const CORE_MODULES: usize = 32;
/// Functions of all core modules. CPython has some 20,000.
const FUNCTIONS: usize = 50_000;
/// Bytes of one function's body: the compiler's time grows faster than a body. CPython's largest has 250 KB.
const BODY_BYTES: usize = 512 << 10;
/// Local variables of one function: register allocation grows with locals times blocks.
const LOCALS: u64 = 5_000;
/// Blocks inside blocks of one function: a large `switch` nests as many as it has cases.
const BLOCKS: u64 = 10_000;
/// Targets of one `br_table`: an interpreter's loop has some hundreds.
const BRANCH_TARGETS: u32 = 10_000;
/// Targets of all `br_table`s of one function.
const FUNCTION_BRANCH_TARGETS: u64 = 50_000;
/// Components inside components. Composition makes two.
const NESTING: usize = 8;
/// Targets of all `br_table`s together.
const ALL_BRANCH_TARGETS: u64 = 1_000_000;
/// Types, imports, exports, instances, aliases and other declarations of all parts together, with their members and arguments.
const DECLARATIONS: u64 = 200_000;
/// Imports and exports of the component itself, which are looked at one by one.
const OUTSIDE: usize = 1_000;
/// Data segments of all core modules: compilers put data together.
const DATA_SEGMENTS: u64 = 20_000;
/// Elements that all element segments put into tables.
const ELEMENTS: u64 = 500_000;
/// Bytes of the name of an import or export. Mangled names of C++ have some hundreds.
const NAME_BYTES: usize = 4 << 10;
/// Bytes of a page of linear memory.
const PAGE: u64 = 64 << 10;

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// What the component imports, by name.
    pub(super) imports: Vec<&'a str>,
    /// Imports of our own world's kind of thing: anything but an instance is none of ours.
    pub(super) bare_imports: Vec<&'a str>,
    /// What the component exports, by name.
    pub(super) exports: Vec<&'a str>,
    /// The component's own sections named [`super::meta::SECTION`].
    pub(super) own_metadata: Vec<&'a [u8]>,
    /// Those of its core modules, in file order.
    pub(super) module_metadata: Vec<&'a [u8]>,
    /// Functions of all core modules.
    pub(super) functions: usize,
}

impl<'a> Scan<'a> {
    /// The sections that count (`wit/README.md`): the component's own are complete, where it has any.
    pub(super) fn metadata(&self) -> &[&'a [u8]] {
        if self.own_metadata.is_empty() { &self.module_metadata } else { &self.own_metadata }
    }
}

/// What the header says.
pub(super) fn kind(artifact: &[u8]) -> Result<Kind, Refusal> {
    let refuse = |message: &str| Err(refuse(Code::InvalidWasm, message));
    if artifact.is_empty() {
        return refuse("the upload is empty; send the bytes of a WebAssembly component or core module");
    }
    if Parser::is_component(artifact) {
        return Ok(Kind::Component);
    }
    if Parser::is_core_wasm(artifact) {
        return Ok(Kind::CoreModule);
    }
    if artifact.starts_with(b"\x7fELF") {
        return refuse("this is machine code; upload the WebAssembly component, the server compiles it itself");
    }
    if artifact.trim_ascii_start().starts_with(b"(") {
        return refuse("this looks like WebAssembly in text form; upload the binary form (wasm-tools parse makes it)");
    }
    refuse("not WebAssembly: it does not start with \\0asm and the version of a component or a core module, at byte 0")
}

/// Walks over the artifact.
pub(super) fn scan(artifact: &[u8]) -> Result<Scan<'_>, Refusal> {
    let mut walk = Walk::default();
    for payload in Parser::new(0).parse_all(artifact) {
        walk.payload(payload.map_err(|error| invalid(&error))?)?;
    }
    walk.scan.functions = walk.functions;
    Ok(walk.scan)
}

#[derive(Default)]
struct Walk<'a> {
    scan: Scan<'a>,
    /// What is open, outermost first.
    inside: Vec<Encoding>,
    core_modules: usize,
    functions: usize,
    declarations: u64,
    branch_targets: u64,
    data_segments: u64,
    elements: u64,
}

impl<'a> Walk<'a> {
    fn payload(&mut self, payload: Payload<'a>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding, .. } => self.enter(encoding)?,
            Payload::End(_) => drop(self.inside.pop()),
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let pages = memory.map_err(|error| invalid(&error))?.initial;
                    check("initial pages of a memory", pages, MEMORY_BYTES_CEILING as u64 / PAGE)?;
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    let elements = table.map_err(|error| invalid(&error))?.ty.initial;
                    check("initial elements of a table", elements, TABLE_ELEMENTS as u64)?;
                }
            }
            Payload::ComponentImportSection(imports) if self.inside.len() == 1 => {
                self.declare(imports.count())?;
                for import in imports {
                    let import = import.map_err(|error| invalid(&error))?;
                    named(import.name.name)?;
                    let instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                    let list = if instance { &mut self.scan.imports } else { &mut self.scan.bare_imports };
                    list.push(import.name.name);
                }
            }
            Payload::ComponentExportSection(exports) if self.inside.len() == 1 => {
                self.declare(exports.count())?;
                for export in exports {
                    let name = export.map_err(|error| invalid(&error))?.name.name;
                    named(name)?;
                    self.scan.exports.push(name);
                }
            }
            Payload::CustomSection(section) if section.name() == super::meta::SECTION => match self.inside.as_slice() {
                [Encoding::Component] => self.scan.own_metadata.push(section.data()),
                [.., Encoding::Module] => self.scan.module_metadata.push(section.data()),
                _ => {}
            },
            Payload::DataSection(segments) => {
                self.data_segments += u64::from(segments.count());
                check("data segments", self.data_segments, DATA_SEGMENTS)?;
            }
            other => {
                self.declarations(&other)?;
                self.members(other)?;
            }
        }
        let outside = self.scan.imports.len() + self.scan.bare_imports.len() + self.scan.exports.len();
        check("imports and exports", outside as u64, OUTSIDE as u64)
    }

    fn enter(&mut self, encoding: Encoding) -> Result<(), Refusal> {
        self.inside.push(encoding);
        check("levels of nesting", self.inside.len() as u64, NESTING as u64)?;
        self.core_modules += usize::from(encoding == Encoding::Module);
        check("core modules", self.core_modules as u64, CORE_MODULES as u64)
    }

    /// Sections that are only counted.
    fn declarations(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        let count = match payload {
            Payload::TypeSection(s) => s.count(),
            Payload::ImportSection(s) => s.count(),
            Payload::GlobalSection(s) => s.count(),
            Payload::ExportSection(s) => s.count(),
            Payload::ElementSection(s) => s.count(),
            Payload::InstanceSection(s) => s.count(),
            Payload::CoreTypeSection(s) => s.count(),
            Payload::ComponentInstanceSection(s) => s.count(),
            Payload::ComponentAliasSection(s) => s.count(),
            Payload::ComponentTypeSection(s) => s.count(),
            Payload::ComponentCanonicalSection(s) => s.count(),
            Payload::ComponentImportSection(s) => s.count(),
            Payload::ComponentExportSection(s) => s.count(),
            _ => 0,
        };
        self.declare(count)
    }

    /// What declarations hold besides themselves, and how long their names are.
    fn members(&mut self, payload: Payload<'a>) -> Result<(), Refusal> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|error| invalid(&error))?;
                    named(import.module)?;
                    named(import.name)?;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    named(export.map_err(|error| invalid(&error))?.name)?;
                }
            }
            Payload::ElementSection(segments) => {
                for segment in segments {
                    let elements = match segment.map_err(|error| invalid(&error))?.items {
                        ElementItems::Functions(functions) => functions.count(),
                        ElementItems::Expressions(_, expressions) => expressions.count(),
                    };
                    self.elements += u64::from(elements);
                    check("elements in segments", self.elements, ELEMENTS)?;
                }
            }
            Payload::TypeSection(groups) => {
                for group in groups {
                    self.declare_more(group.map_err(|error| invalid(&error))?.types().len())?;
                }
            }
            Payload::ComponentTypeSection(types) => {
                for kind in types {
                    self.declare_more(size(&kind.map_err(|error| invalid(&error))?))?;
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    self.declare_more(match instance.map_err(|error| invalid(&error))? {
                        Instance::Instantiate { args, .. } => args.len(),
                        Instance::FromExports(exports) => exports.len(),
                    })?;
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    self.declare_more(match instance.map_err(|error| invalid(&error))? {
                        ComponentInstance::Instantiate { args, .. } => args.len(),
                        ComponentInstance::FromExports(exports) => exports.len(),
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn declare_more(&mut self, count: usize) -> Result<(), Refusal> {
        self.declare(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn declare(&mut self, count: u32) -> Result<(), Refusal> {
        self.declarations += u64::from(count);
        check("declarations (types, imports, exports, instances, segments)", self.declarations, DECLARATIONS)
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        self.functions += 1;
        check("functions", self.functions as u64, FUNCTIONS as u64)?;
        check("bytes in one function", body.range().len() as u64, BODY_BYTES as u64)?;
        let mut locals = 0;
        for group in body.get_locals_reader().map_err(|error| invalid(&error))? {
            locals += u64::from(group.map_err(|error| invalid(&error))?.0);
        }
        check("local variables in one function", locals, LOCALS)?;
        let mut targets = 0;
        let mut operators = body.get_operators_reader().map_err(|error| invalid(&error))?;
        let mut open: u64 = 0;
        while !operators.eof() {
            match operators.read().map_err(|error| invalid(&error))? {
                Operator::BrTable { targets: table } => {
                    check("targets of one br_table", u64::from(table.len()), u64::from(BRANCH_TARGETS))?;
                    targets += u64::from(table.len());
                }
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    open += 1;
                    check("blocks inside each other", open, BLOCKS)?;
                }
                Operator::End => open = open.saturating_sub(1),
                _ => {}
            }
        }
        check("targets of br_table in one function", targets, FUNCTION_BRANCH_TARGETS)?;
        self.branch_targets += targets;
        check("targets of br_table", self.branch_targets, ALL_BRANCH_TARGETS)
    }
}

fn named(name: &str) -> Result<(), Refusal> {
    check("bytes in the name of an import or export", name.len() as u64, NAME_BYTES as u64)
}

/// Members of a type and of all types inside it.
fn size(kind: &ComponentType<'_>) -> usize {
    let (mut size, mut open) = (0, vec![kind]);
    while let Some(kind) = open.pop() {
        size += match kind {
            ComponentType::Defined(defined) => match defined {
                ComponentDefinedType::Record(fields) => fields.len(),
                ComponentDefinedType::Variant(cases) => cases.len(),
                ComponentDefinedType::Tuple(types) => types.len(),
                ComponentDefinedType::Flags(names) | ComponentDefinedType::Enum(names) => names.len(),
                _ => 1,
            },
            ComponentType::Func(function) => function.params.len(),
            ComponentType::Component(declarations) => {
                open.extend(declarations.iter().filter_map(|declaration| match declaration {
                    ComponentTypeDeclaration::Type(kind) => Some(kind),
                    _ => None,
                }));
                declarations.len()
            }
            ComponentType::Instance(declarations) => {
                open.extend(declarations.iter().filter_map(|declaration| match declaration {
                    InstanceTypeDeclaration::Type(kind) => Some(kind),
                    _ => None,
                }));
                declarations.len()
            }
            ComponentType::Resource { .. } => 1,
        };
    }
    size
}

fn check(what: &str, count: u64, most: u64) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    Err(refuse(
        Code::ComponentTooComplex,
        format!(
            "the artifact has more {what} than are accepted ({count}, at most {most}): split it, or optimise it for size"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests;

    fn refusal(text: &str) -> Refusal {
        let artifact = wat::parse_str(text).expect("wat");
        scan(&artifact).expect_err("refused")
    }

    #[test]
    fn headers() {
        assert_eq!(kind(&wat::parse_str("(component)").expect("wat")).expect("kind"), Kind::Component);
        assert_eq!(kind(&wat::parse_str("(module)").expect("wat")).expect("kind"), Kind::CoreModule);
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"hello", "not WebAssembly"),
            (b"  (module)", "text form"),
            (b"\x7fELF\x02\x01", "machine code"),
            (b"\0asm", "not WebAssembly"),
            (b"\0asm\x09\0\0\0", "not WebAssembly"),
        ] {
            let refusal = kind(bytes).expect_err("refused");
            assert!(refusal.code == Code::InvalidWasm && refusal.message.contains(word), "{}", refusal.message);
        }
    }

    #[test]
    fn each_cap_is_named() {
        let many = |text: &str, count: usize| text.repeat(count);
        for (text, word) in [
            (format!("(component {})", many("(core module)", CORE_MODULES + 1)), "core modules"),
            (format!("(module {})", many("(func)", FUNCTIONS + 1)), "functions"),
            (format!("(module (func {}))", many("nop ", BODY_BYTES + 1)), "bytes in one function"),
            (format!("(module (func (local {})))", many("i32 ", 5_001)), "local variables"),
            (format!("(module (func (br_table {} (i32.const 0))))", many("0 ", 10_002)), "br_table"),
            (
                format!(
                    "(module (func {} {}))",
                    many("block ", BLOCKS as usize + 1),
                    many("end ", BLOCKS as usize + 1)
                ),
                "blocks inside each other",
            ),
            (format!("{}{}", many("(component ", NESTING + 1), many(")", NESTING + 1)), "nesting"),
            (format!("(module {})", many("(global i32 (i32.const 0))", 200_001)), "declarations"),
            (
                format!("(module {})", many(&format!("(func (br_table {} (i32.const 0)))", many("0 ", 9_999)), 101)),
                "targets of br_table",
            ),
            (format!("(module (memory 1) {})", many("(data \"\")", 20_001)), "data segments"),
            (format!("(module (table 1 funcref) (func $f) (elem func {}))", many("$f ", 500_001)), "elements"),
            (format!("(module (func (export \"{}\")))", many("a", 4_097)), "name"),
            (format!("(module (import \"m\" \"{}\" (func)))", many("a", 4_097)), "name"),
            (format!("(component {})", many(&format!("(type (tuple {}))", many("u8 ", 9_000)), 23)), "declarations"),
            (
                format!(
                    "(component (type (instance {})))",
                    many("(type (tuple u8 u8 u8 u8 u8 u8 u8 u8 u8 u8))", 20_000)
                ),
                "declarations",
            ),
            (format!("(module {})", many("(import \"a\" \"b\" (func))", 200_001)), "declarations"),
            ("(module (memory 4097))".to_owned(), "pages"),
            ("(module (table 100001 funcref))".to_owned(), "table"),
        ] {
            let refusal = refusal(&text);
            assert_eq!(refusal.code, Code::ComponentTooComplex, "{}", refusal.message);
            assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
        }
    }

    #[test]
    fn a_cut_artifact_is_refused() {
        let whole = guests::component(&guests::echo());
        let fits = |end: &usize| {
            let cut = &whole[..*end];
            let outside =
                scan(cut).and_then(|scan| super::super::world::check(&scan, super::super::World::Function).map(|_| ()));
            outside.and_then(|()| super::super::features::check(cut)).is_ok()
        };
        let fit: Vec<_> = (0..whole.len()).filter(fits).collect();
        // Sections that only describe stand at the end, each of which may be missing.
        let (mut last, mut described) = (0, 0);
        for payload in Parser::new(0).parse_all(&whole).filter_map(Result::ok) {
            match payload {
                Payload::ComponentExportSection(section) => (last, described) = (section.range().end, 0),
                Payload::CustomSection(_) => described += 1,
                _ => {}
            }
        }
        assert!(fit.len() == described && fit.iter().all(|end| *end >= last), "{fit:?}, {described} behind {last}");
    }

    #[test]
    fn the_outside_is_found_and_the_inside_is_not() {
        let text = r#"(component
            (import "a:b/c" (instance))
            (import "f" (func))
            (component (import "x:y/z" (instance)))
            (component (@custom "stepwell:meta" "none"))
            (core module (@custom "stepwell:meta" "one"))
            (component (core module (@custom "stepwell:meta" "two")))"#;
        let artifact = wat::parse_str(format!("{text})")).expect("wat");
        let found = scan(&artifact).expect("scanned");
        assert_eq!((&found.imports, &found.bare_imports), (&vec!["a:b/c"], &vec!["f"]));
        assert_eq!(found.metadata(), [b"one", b"two"]);
        let artifact = wat::parse_str(format!("{text} (@custom \"stepwell:meta\" \"own\"))")).expect("wat");
        assert_eq!(scan(&artifact).expect("scanned").metadata(), [b"own"]);
    }
}
