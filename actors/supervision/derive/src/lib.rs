//! The derive macro of `actoreum_supervision::Message`; use it through that crate.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, Type, parse_macro_input};

/// Implements `Message`. The type of the answer is that of the attribute `#[answer(Type)]`, or
/// `()` where there is none.
#[proc_macro_derive(Message, attributes(answer))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let expanded = expand(&input).unwrap_or_else(syn::Error::into_compile_error);
    expanded.into()
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let mut attributes = input.attrs.iter().filter(|it| it.path().is_ident("answer"));
    let answer = match attributes.next() {
        Some(attribute) => attribute.parse_args::<Type>()?,
        None => syn::parse_quote!(()),
    };
    if let Some(second) = attributes.next() {
        let error = "a message has one type of answer: remove the second #[answer(…)]";
        return Err(syn::Error::new_spanned(second, error));
    }
    let name = &input.ident;
    let (generics, parameters, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::actoreum_supervision::Message for #name #parameters #bounds {
            type Result = #answer;
        }
    })
}
