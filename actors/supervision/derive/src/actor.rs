//! The expansion of an `impl` block with the attribute `actor` or `handlers`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ImplItem, ImplItemFn, ItemImpl};

use crate::handler::Handler;

/// Whether the expansion contains the implementation of `Actor`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// It does, with the hooks of the block.
    Implemented,
    /// It does not: the actor has an implementation elsewhere.
    LeftOut,
}

/// Methods that are hooks of `Actor`.
const HOOKS: [&str; 2] = ["started", "stopped"];

/// Expands a block: the block itself without the macro's attributes, the implementation of `Actor`,
/// and what each handler adds.
pub(crate) fn expand(mut block: ItemImpl, lifecycle: Lifecycle) -> syn::Result<TokenStream> {
    if let Some((_, path, _)) = &block.trait_ {
        let error = "this attribute goes on `impl Type`, not on the implementation of a trait";
        return Err(syn::Error::new_spanned(path, error));
    }
    let mut hooks = Vec::new();
    let mut handlers = Vec::new();
    let mut rest = Vec::new();
    let mut faults: Option<syn::Error> = None;
    for item in std::mem::take(&mut block.items) {
        let mut method = match item {
            ImplItem::Fn(method) => method,
            other => {
                rest.push(other);
                continue;
            }
        };
        match Handler::take(&mut method) {
            Ok(Some(handler)) => handlers.push(handler),
            Ok(None) if lifecycle == Lifecycle::Implemented && is_hook(&method) => {
                hooks.push(method);
                continue;
            }
            Ok(None) => {}
            // All faults of a block are reported at once.
            Err(fault) => match &mut faults {
                Some(faults) => faults.combine(fault),
                None => faults = Some(fault),
            },
        }
        rest.push(ImplItem::Fn(method));
    }
    if let Some(faults) = faults {
        return Err(faults);
    }
    if lifecycle == Lifecycle::LeftOut && handlers.is_empty() {
        let error = "no method of this block is marked with #[handler] or #[message]";
        return Err(syn::Error::new_spanned(&block.self_ty, error));
    }
    block.items = rest;
    let actor = (lifecycle == Lifecycle::Implemented).then(|| implement_actor(&block, &hooks));
    let handlers = handlers.iter().map(|handler| handler.expand(&block));
    let methods = (!block.items.is_empty()).then_some(&block);
    Ok(quote! { #methods #actor #(#handlers)* })
}

fn is_hook(method: &ImplItemFn) -> bool {
    HOOKS.iter().any(|hook| method.sig.ident == hook)
}

fn implement_actor(block: &ItemImpl, hooks: &[ImplItemFn]) -> TokenStream {
    let (generics, _, bounds) = block.generics.split_for_impl();
    let actor = &block.self_ty;
    quote! {
        impl #generics ::actoreum_supervision::Actor for #actor #bounds {
            #(#hooks)*
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(source: &str, lifecycle: Lifecycle) -> Result<String, String> {
        let block = syn::parse_str(source).expect("because the source is an impl block");
        match expand(block, lifecycle) {
            Ok(tokens) => Ok(tokens.to_string()),
            Err(error) => Err(error
                .into_iter()
                .map(|error| error.to_string())
                .collect::<Vec<_>>()
                .join("; ")),
        }
    }

    fn normalized(source: &str) -> String {
        let tokens: TokenStream = source.parse().expect("because the source is Rust");
        tokens.to_string()
    }

    #[test]
    fn the_expansion_is_what_one_writes_by_hand() {
        let source = "impl Counter {
            fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> { Ok(()) }
            #[handler(when_full = DropOldest)]
            fn add(&mut self, Add(number): Add) -> u64 { self.sum(number) }
            fn sum(&self, number: u64) -> u64 { self.0 + number }
        }";
        let by_hand = "impl Counter {
            fn add(&mut self, Add(number): Add) -> u64 { self.sum(number) }
            fn sum(&self, number: u64) -> u64 { self.0 + number }
        }
        impl ::actoreum_supervision::Actor for Counter {
            fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> { Ok(()) }
        }
        impl ::actoreum_supervision::Handles<Add> for Counter {
            type Answer = u64;
            const WHEN_FULL: ::actoreum_supervision::WhenFull =
                ::actoreum_supervision::WhenFull::DropOldest;
            #[inline]
            fn handle(
                &mut self,
                message: Add,
                _: &mut ::actoreum_supervision::Ctx<Self>
            ) -> u64 {
                Self::add(self, message)
            }
        }";
        assert_eq!(
            expanded(source, Lifecycle::Implemented),
            Ok(normalized(by_hand))
        );
    }

    #[test]
    fn a_message_method_declares_its_message() {
        let source = "impl Counter {
            /// Adds a number.
            #[message]
            pub fn add_to_sum(&mut self, number: u64, ctx: &mut Ctx<Self>) -> Later<u64> { todo() }
        }";
        let expanded = expanded(source, Lifecycle::LeftOut).expect("because it is correct");
        let declared = "/// Adds a number.
            pub struct AddToSum { #[doc = \" The parameter `number`.\"] pub number: u64 }
            impl ::actoreum_supervision::Message for AddToSum { type Result = u64; }";
        assert!(expanded.contains(&normalized(declared)), "{expanded}");
        let call = "Self::add_to_sum(self, message.number, ctx)";
        assert!(expanded.contains(&normalized(call)), "{expanded}");
    }

    #[test]
    fn options_become_constants_and_the_weight() {
        let source = "impl Shelf {
            #[message(priority = High, deadline = Duration::from_secs(1), weight = self.text.len())]
            fn put(&mut self, text: String) {}
        }";
        let expanded = expanded(source, Lifecycle::LeftOut).expect("because it is correct");
        for part in [
            "type Result = (); fn weight(&self) -> usize { self.text.len() }",
            "const DEADLINE: ::core::option::Option",
            "= ::core::option::Option::Some(Duration::from_secs(1));",
            "const PRIORITY: ::actoreum_supervision::Priority =
                ::actoreum_supervision::Priority::High;",
        ] {
            assert!(expanded.contains(&normalized(part)), "{expanded}");
        }
    }

    #[test]
    fn a_faulty_block_is_refused_with_the_reason() {
        for (source, reason) in [
            (
                "impl Actor for Counter {}",
                "not on the implementation of a trait",
            ),
            (
                "impl Counter { fn add(&mut self) {} }",
                "no method of this block",
            ),
            (
                "impl Counter { #[handler] fn add(&mut self) {} }",
                "takes a message",
            ),
            (
                "impl Counter { #[handler] fn add(add: Add) {} }",
                "takes `&mut self` or `&self`",
            ),
            (
                "impl Counter { #[handler] fn add(self, _: Add) {} }",
                "takes `&mut self` or `&self`",
            ),
            (
                "impl Counter { #[handler] async fn add(&self, _: Add) {} }",
                "not asynchronous",
            ),
            (
                "impl Counter { #[handler] fn add<T>(&self, _: T) {} }",
                "no parameters of its own",
            ),
            (
                "impl Counter { #[handler(when_ful = Wait)] fn add(&self, _: Add) {} }",
                "unknown option",
            ),
            (
                "impl Counter { #[handler(when_full = Wait, when_full = Wait)] fn add(&self, _: Add) {} }",
                "given twice",
            ),
            (
                "impl Counter { #[handler(weight = 1)] fn add(&self, _: Add) {} }",
                "a property of the message",
            ),
            (
                "impl Counter { #[handler] fn add(&self, _: Add, x: u64) {} }",
                "`ctx: &mut Ctx<Self>` alone",
            ),
            (
                "impl Counter { #[handler] #[message] fn add(&self, _: Add) {} }",
                "marked twice",
            ),
            (
                "impl Counter { #[message] fn add(&self, (a, b): (u64, u64)) {} }",
                "a plain name",
            ),
        ] {
            let error = expanded(source, Lifecycle::LeftOut).expect_err(source);
            assert!(error.contains(reason), "{source}: {error}");
        }
    }

    #[test]
    fn all_faults_of_a_block_are_reported() {
        let source = "impl Counter {
            #[handler] fn one(&mut self) {}
            #[handler] async fn two(&mut self, _: Two) {}
        }";
        let error = expanded(source, Lifecycle::Implemented).expect_err("because of two faults");
        assert!(error.contains("takes a message") && error.contains("not asynchronous"));
    }
}
