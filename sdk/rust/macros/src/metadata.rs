//! What `#[function]` knows when it runs: the function's name, its description, and their line of `stepwell:meta`.

use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta};

/// Longest name, in characters.
const MAX_NAME: usize = 64;

/// Name and description of one function.
pub(crate) struct Metadata {
    /// What `context.function` will say.
    pub(crate) name: String,
    /// The doc comment, in Markdown; empty if there is none.
    pub(crate) description: String,
    /// What the function wants to use besides computing: JSON text; empty if it is nothing.
    pub(crate) grants: String,
}

impl Metadata {
    /// From the attribute's options, the function's own name and its attributes.
    pub(crate) fn new(options: &Options, ident: &Ident, attributes: &[Attribute]) -> syn::Result<Self> {
        let name = match &options.name {
            Some(name) => checked(name)?,
            None => checked(&LitStr::new(&default_name(ident), ident.span()))?,
        };
        let grants = options.grants.as_ref().map(json).transpose()?.unwrap_or_default();
        Ok(Self { name, description: doc_comment(attributes), grants })
    }

    /// The line of the custom section, with its newline: the linker joins the lines of all functions.
    pub(crate) fn line(&self) -> String {
        // By hand, so that the name comes first.
        let mut line = format!("{{\"name\":{}", serde_json::Value::from(self.name.as_str()));
        if !self.description.is_empty() {
            line.push_str(&format!(",\"description\":{}", serde_json::Value::from(self.description.as_str())));
        }
        if !self.grants.is_empty() {
            line.push_str(&format!(",\"grants\":{}", self.grants));
        }
        line.push_str("}\n");
        line
    }
}

/// What stands in the attribute's parentheses.
#[derive(Default)]
pub(crate) struct Options {
    name: Option<LitStr>,
    grants: Option<LitStr>,
}

impl Options {
    /// Parses `name = "..."` and `grants = "..."`.
    pub(crate) fn parse(tokens: proc_macro2::TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("grants") {
                options.grants = Some(meta.value()?.parse()?);
            } else {
                let known = "unknown option; there are name = \"charge-payment\" and grants = r#\"{\"config\": [\"REGION\"]}\"#";
                return Err(meta.error(known));
            }
            Ok(())
        });
        syn::parse::Parser::parse2(parser, tokens)?;
        Ok(options)
    }
}

/// The grants as JSON on one line. What they say is checked by the server, which knows what there is.
fn json(grants: &LitStr) -> syn::Result<String> {
    match serde_json::from_str::<serde_json::Value>(&grants.value()) {
        Ok(value) if value.is_object() => Ok(value.to_string()),
        Ok(_) => {
            Err(syn::Error::new(grants.span(), "grants are an object: grants = r#\"{\"config\": [\"REGION\"]}\"#"))
        }
        Err(error) => Err(syn::Error::new(grants.span(), format!("grants are JSON: {error}"))),
    }
}

/// `charge_payment` is called `charge-payment` outside Rust.
fn default_name(ident: &Ident) -> String {
    let ident = ident.to_string();
    ident.trim_start_matches("r#").replace('_', "-")
}

fn checked(name: &LitStr) -> syn::Result<String> {
    let text = name.value();
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let starts_with_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_with_letter && text.len() <= MAX_NAME && text.chars().all(is_allowed) {
        return Ok(text);
    }
    let rule = format!(
        "a function's name is 1 to {MAX_NAME} characters of a-z, 0-9, - and _, the first a letter: \
         #[function(name = \"charge-payment\")]"
    );
    Err(syn::Error::new(name.span(), rule))
}

fn doc_comment(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
    lines.join("\n").trim().to_owned()
}

/// One `///` line without the space that follows the slashes.
fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value else { return None };
    let text = text.value();
    meta.path.is_ident("doc").then(|| text.strip_prefix(' ').unwrap_or(&text).to_owned())
}
