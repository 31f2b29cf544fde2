//! Expands `#[function]`: the function as it was written, its registration, and its line of metadata.

use crate::metadata::{Metadata, Options};
use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::{FnArg, ItemFn, ReturnType, Type};

/// The function, followed by an unnamed constant that registers it.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options = Options::parse(options)?;
    let function: ItemFn = syn::parse2(item)?;
    let signature = Signature::of(&function)?;
    let metadata = Metadata::new(&options, &function.sig.ident, &function.attrs)?;
    let registration = registration(&function, &signature, &metadata);
    Ok(quote! { #function #registration })
}

/// The types of the arguments that the function takes and of what it returns.
struct Signature<'a> {
    takes_ctx: bool,
    input: Option<&'a Type>,
    returned: &'a Type,
}

impl<'a> Signature<'a> {
    fn of(function: &'a ItemFn) -> syn::Result<Self> {
        let signature = &function.sig;
        if let Some(keyword) = &signature.asyncness {
            return Err(syn::Error::new_spanned(keyword, "a Stepwell function is synchronous: remove `async`"));
        }
        if !signature.generics.params.is_empty() {
            let message = "a Stepwell function has no generic parameters: its input comes as JSON of one type";
            return Err(syn::Error::new_spanned(&signature.generics, message));
        }
        let mut arguments = Vec::new();
        for argument in &signature.inputs {
            let FnArg::Typed(argument) = argument else {
                return Err(wrong_arguments(argument));
            };
            arguments.push(argument.ty.as_ref());
        }
        let (takes_ctx, input) = match arguments.as_slice() {
            [] => (false, None),
            [Type::Reference(_)] => (true, None),
            [input] => (false, Some(*input)),
            [Type::Reference(_), input] => (true, Some(*input)),
            _ => return Err(wrong_arguments(&signature.inputs)),
        };
        let ReturnType::Type(_, returned) = &signature.output else {
            let message = "a Stepwell function returns a Result: `-> Result<Receipt, Error>`";
            return Err(syn::Error::new_spanned(&signature.ident, message));
        };
        Ok(Self { takes_ctx, input, returned })
    }
}

fn wrong_arguments(tokens: impl ToTokens) -> syn::Error {
    let message = "a Stepwell function takes `ctx: &Ctx`, `input: T`, both in this order, or nothing";
    syn::Error::new_spanned(tokens, message)
}

fn registration(function: &ItemFn, signature: &Signature, metadata: &Metadata) -> TokenStream {
    let (ident, returned) = (&function.sig.ident, signature.returned);
    let Metadata { name, description, grants } = metadata;
    let line = metadata.line();
    let (length, bytes) = (line.len(), Literal::byte_string(line.as_bytes()));
    // A function without an input accepts any.
    let input = signature.input.map_or_else(|| quote!(::stepwell::__private::Ignored), ToTokens::to_token_stream);
    let ctx = signature.takes_ctx.then(|| quote!(ctx,));
    let value = signature.input.map(|_| quote!(input));
    quote! {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            #[used]
            #[unsafe(link_section = "stepwell:meta")]
            static METADATA: [u8; #length] = *#bytes;

            fn call(
                ctx: &::stepwell::Ctx,
                input: &str,
            ) -> ::core::result::Result<::std::string::String, ::stepwell::Error> {
                let _ = ctx;
                ::stepwell::__private::call(input, |input: #input| -> #returned {
                    let _ = &input;
                    #ident(#ctx #value)
                })
            }

            #[cfg(not(target_arch = "wasm32"))]
            fn schemas() -> ::stepwell::__private::Schemas {
                use ::stepwell::__private::{Returned, SchemaOf, Schemas, WithSchema as _, WithoutSchema as _};
                Schemas {
                    input: (&SchemaOf::<#input>::INPUT).schema(),
                    output: (&SchemaOf::<<#returned as Returned>::Output>::OUTPUT).schema(),
                }
            }

            ::stepwell::__private::inventory::submit! {
                ::stepwell::__private::Registration {
                    name: #name,
                    description: #description,
                    grants: #grants,
                    call,
                    #[cfg(not(target_arch = "wasm32"))]
                    schemas,
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::expand;
    use quote::quote;

    fn refusal(options: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> String {
        expand(options, item).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_a_function_is_refused_with_a_reason() {
        let plain = quote!(
            fn charge() -> Result<(), Error> {
                Ok(())
            }
        );
        assert!(refusal(quote!(nme = "x"), plain.clone()).starts_with("unknown option"));
        assert!(refusal(quote!(grants = "{"), plain.clone()).starts_with("grants are JSON"));
        assert!(refusal(quote!(grants = "[]"), plain.clone()).starts_with("grants are an object"));
        for name in ["", "Charge", "1st", "-a", "a.b", "a b", &"a".repeat(65)] {
            assert!(refusal(quote!(name = #name), plain.clone()).starts_with("a function's name is"), "{name}");
        }
        assert!(
            refusal(
                quote!(),
                quote!(
                    fn Charge() -> Result<(), Error> {}
                )
            )
            .starts_with("a function's name is")
        );
        assert!(
            refusal(
                quote!(),
                quote!(
                    async fn f() -> Result<(), Error> {}
                )
            )
            .contains("is synchronous")
        );
        assert!(
            refusal(
                quote!(),
                quote!(
                    fn f<T>(input: T) -> Result<T, Error> {}
                )
            )
            .contains("no generic parameters")
        );
        assert!(
            refusal(
                quote!(),
                quote!(
                    fn f(input: u8) {}
                )
            )
            .contains("returns a Result")
        );
        assert!(
            refusal(
                quote!(),
                quote!(
                    fn f(&self) -> Result<(), Error> {}
                )
            )
            .contains("takes `ctx: &Ctx`")
        );
        assert!(
            refusal(
                quote!(),
                quote!(
                    fn f(a: u8, b: u8) -> Result<(), Error> {}
                )
            )
            .contains("takes `ctx: &Ctx`")
        );
    }

    #[test]
    fn the_line_of_metadata_is_json_with_the_name_first() {
        let item = quote!(
            /// Charges a "card".
            ///
            /// Twice.
            fn charge_payment(input: u8) -> Result<(), Error> {}
        );
        let expanded = expand(quote!(), item).unwrap().to_string();
        let line = br#"{\"name\":\"charge-payment\",\"description\":\"Charges a \\\"card\\\".\\n\\nTwice.\"}\n"#;
        assert!(expanded.contains(std::str::from_utf8(line).unwrap()), "{expanded}");
        let item = quote!(
            fn f() -> Result<(), Error> {}
        );
        let grants = quote!(grants = "{\n \"keyValue\": \"read\"}");
        let expanded = expand(grants, item).unwrap().to_string();
        let line = br#"{\"name\":\"f\",\"grants\":{\"keyValue\":\"read\"}}\n"#;
        assert!(expanded.contains(std::str::from_utf8(line).unwrap()), "{expanded}");
    }
}
