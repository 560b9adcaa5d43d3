//! The macros of `actoreum_supervision`: the derive macro of `Message`, and the attributes `actor` and
//! `handlers`. Use them through that crate, which documents them with examples.

mod actor;
mod handler;

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, Expr, ItemImpl, Type, parse_macro_input};

use crate::actor::Lifecycle;

/// Implements `Message`. The type of the answer is that of the attribute `#[answer(Type)]`, or
/// `()` where there is none. The weight is that of `#[message(weight = expression)]`, in which `self` is
/// the message, or the size of the type.
#[proc_macro_derive(Message, attributes(answer, message))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let expanded = expand(&input).unwrap_or_else(syn::Error::into_compile_error);
    expanded.into()
}

/// Implements `Actor`, and `Handles` for each method with the attribute `#[handler]` or `#[message]`.
/// Goes on an inherent `impl` block.
///
/// - `#[handler]` marks a method whose parameters are `&mut self` (or `&self`), the message, and, where
///   the handler needs it, `ctx: &mut Ctx<Self>`. Its return type is the handler's `Answer`.
/// - `#[message]` marks a method that declares its message as well: a struct with the method's name in
///   upper camel case, the method's visibility and documentation, and a field for each parameter.
/// - Both take options: `when_full = DropOldest`, a variant of `WhenFull`; `when_abandoned = Skip`, a
///   variant of `WhenAbandoned`; `priority = High`, a variant of `Priority`; and `deadline =
///   Duration::from_secs(1)`, a constant expression. `#[message]` takes `weight = self.text.len()` as
///   well, in which `self` is the message.
/// - Methods called `started` and `stopped` become the hooks of `Actor`.
///
/// All other items of the block remain as they are. A handler remains a method, which other methods
/// and unit tests can call.
#[proc_macro_attribute]
pub fn actor(arguments: TokenStream, block: TokenStream) -> TokenStream {
    expand_block(&arguments, block, Lifecycle::Implemented)
}

/// Implements `Handles` as `#[actor]` does, but not `Actor`: for further `impl` blocks of an actor, in
/// the same file or another one, and for actors that implement `Actor` by hand.
#[proc_macro_attribute]
pub fn handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    expand_block(&arguments, block, Lifecycle::LeftOut)
}

fn expand_block(arguments: &TokenStream, block: TokenStream, lifecycle: Lifecycle) -> TokenStream {
    if !arguments.is_empty() {
        let error =
            "this attribute takes no arguments; options go to #[handler(…)] or #[message(…)]";
        let error = syn::Error::new(proc_macro2::Span::call_site(), error);
        return error.into_compile_error().into();
    }
    let block = parse_macro_input!(block as ItemImpl);
    let expanded = actor::expand(block, lifecycle).unwrap_or_else(syn::Error::into_compile_error);
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
    let weight = handler::weight_method(weight_of(input)?.as_ref());
    let name = &input.ident;
    let (generics, parameters, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::actoreum_supervision::Message for #name #parameters #bounds {
            type Result = #answer;
            #weight
        }
    })
}

/// Returns the expression of the attribute `#[message(weight = expression)]`, if there is one.
fn weight_of(input: &DeriveInput) -> syn::Result<Option<Expr>> {
    let mut weight = None;
    let attributes = input.attrs.iter();
    for attribute in attributes.filter(|it| it.path().is_ident("message")) {
        attribute.parse_nested_meta(|option| {
            if !option.path.is_ident("weight") {
                return Err(option.error("unknown option: there is `weight`"));
            }
            if weight.replace(option.value()?.parse()?).is_some() {
                return Err(option.error("this option is given twice"));
            }
            Ok(())
        })?;
    }
    Ok(weight)
}
