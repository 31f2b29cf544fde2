//! The `#[function]` attribute of the Stepwell SDK. Use it as `stepwell::function`, where it is documented.

mod function;
mod metadata;

use proc_macro::TokenStream;

/// See `stepwell::function`.
#[proc_macro_attribute]
pub fn function(options: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
