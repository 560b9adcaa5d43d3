//! One handler of an `impl` block: a method marked with `#[handler]` or `#[message]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, ImplItemFn, ItemImpl, Pat, PatType,
    PathArguments, Result, ReturnType, Type, Visibility,
};

/// A handler, with the message that it accepts.
pub(crate) struct Handler {
    method: Ident,
    message: Accepted,
    takes_context: bool,
    /// The return type.
    answer: Type,
    options: Options,
    /// The `cfg` attributes of the method, which hold for what it expands to as well.
    conditions: Vec<Attribute>,
}

/// The message of a handler.
enum Accepted {
    /// A type that is declared elsewhere.
    Declared(Box<Type>),
    /// A type that the expansion declares.
    New(Box<NewMessage>),
}

/// A message that is declared by its handler.
struct NewMessage {
    name: Ident,
    visibility: Visibility,
    documentation: Vec<Attribute>,
    fields: Vec<(Ident, Type)>,
    /// The expression of the weight, where the method gives one.
    weight: Option<Expr>,
}

/// The options of a handler: variants of the policies' enums, and expressions.
#[derive(Default)]
struct Options {
    when_full: Option<Ident>,
    when_abandoned: Option<Ident>,
    priority: Option<Ident>,
    deadline: Option<Expr>,
    weight: Option<Expr>,
}

impl Handler {
    /// Removes the mark of a method and returns its handler; `None` where there is no mark.
    ///
    /// # Errors
    /// Where the method cannot be a handler, at the token that is wrong.
    pub(crate) fn take(method: &mut ImplItemFn) -> Result<Option<Self>> {
        let is_mark =
            |it: &Attribute| it.path().is_ident("handler") || it.path().is_ident("message");
        let mut marks = method.attrs.extract_if(.., |it| is_mark(it));
        let Some(mark) = marks.next() else {
            return Ok(None);
        };
        if let Some(second) = marks.next() {
            return Err(Error::new_spanned(second, "this method is marked twice"));
        }
        drop(marks);
        let mut options = Options::parse(&mark)?;
        let mut parameters = parameters(method)?;
        let takes_context = parameters.last().is_some_and(|it| is_context(&it.ty));
        if takes_context {
            parameters.pop();
        }
        let message = if mark.path().is_ident("message") {
            let weight = options.weight.take();
            Accepted::New(Box::new(NewMessage::of(method, &parameters, weight)?))
        } else if let Some(weight) = &options.weight {
            let error =
                "the weight is a property of the message: #[message(weight = …)] at its type";
            return Err(Error::new_spanned(weight, error));
        } else {
            Accepted::Declared(Box::new(declared_message(method, &parameters)?))
        };
        let answer = match &method.sig.output {
            ReturnType::Default => syn::parse_quote_spanned!(method.sig.ident.span()=> ()),
            ReturnType::Type(_, answer) => (**answer).clone(),
        };
        Ok(Some(Self {
            method: method.sig.ident.clone(),
            message,
            takes_context,
            answer,
            options,
            conditions: only(&method.attrs, "cfg"),
        }))
    }

    /// Returns what the handler adds to the block: its message, where it declares one, and the
    /// implementation of `Handles`. The tokens have the places of the user's own, so that an error
    /// of the compiler points there.
    pub(crate) fn expand(&self, block: &ItemImpl) -> TokenStream {
        let conditions = &self.conditions;
        let (declared, message, arguments) = match &self.message {
            Accepted::Declared(message) => (None, quote!(#message), vec![quote!(message)]),
            Accepted::New(new) => {
                let name = &new.name;
                let fields = new.fields.iter().map(|(field, _)| quote!(message.#field));
                let declared = new.declare(&self.answer, conditions);
                (Some(declared), quote!(#name), fields.collect())
            }
        };
        let parameter = if arguments.is_empty() {
            quote!(_)
        } else {
            quote!(message)
        };
        let (context, context_argument) = if self.takes_context {
            (quote!(ctx), Some(quote!(ctx)))
        } else {
            (quote!(_), None)
        };
        let arguments = arguments.into_iter().chain(context_argument);
        let (generics, _, bounds) = block.generics.split_for_impl();
        let (actor, method, answer) = (&block.self_ty, &self.method, &self.answer);
        let when_full = policy("WHEN_FULL", "WhenFull", self.options.when_full.as_ref());
        let when_abandoned = policy(
            "WHEN_ABANDONED",
            "WhenAbandoned",
            self.options.when_abandoned.as_ref(),
        );
        let priority = policy("PRIORITY", "Priority", self.options.priority.as_ref());
        let deadline = self.options.deadline.as_ref().map(|deadline| {
            quote_spanned! {deadline.span()=>
                const DEADLINE: ::core::option::Option<::core::time::Duration> =
                    ::core::option::Option::Some(#deadline);
            }
        });
        let place = method.span().resolved_at(Span::mixed_site());
        let implementation = quote_spanned! {place=>
            #(#conditions)*
            impl #generics ::actoreum_supervision::Handles<#message> for #actor #bounds {
                type Answer = #answer;
                #when_full
                #when_abandoned
                #deadline
                #priority
                #[inline]
                fn handle(
                    &mut self,
                    #parameter: #message,
                    #context: &mut ::actoreum_supervision::Ctx<Self>
                ) -> #answer {
                    Self::#method(self, #(#arguments),*)
                }
            }
        };
        quote! { #declared #implementation }
    }
}

impl Options {
    fn parse(mark: &Attribute) -> Result<Self> {
        let mut options = Self::default();
        if let syn::Meta::Path(_) = mark.meta {
            return Ok(options);
        }
        mark.parse_nested_meta(|option| {
            let name = option.path.get_ident().map(Ident::to_string);
            let is_second = match name.as_deref() {
                Some("when_full") => set(&mut options.when_full, &option)?,
                Some("when_abandoned") => set(&mut options.when_abandoned, &option)?,
                Some("priority") => set(&mut options.priority, &option)?,
                Some("deadline") => set(&mut options.deadline, &option)?,
                Some("weight") => set(&mut options.weight, &option)?,
                _ => {
                    return Err(option.error(
                        "unknown option: there are `when_full`, `when_abandoned`, `priority`, \
                         `deadline` and `weight`",
                    ));
                }
            };
            if is_second {
                return Err(option.error("this option is given twice"));
            }
            Ok(())
        })?;
        Ok(options)
    }
}

/// Sets an option from its value. Returns whether it was set before.
fn set<T: Parse>(place: &mut Option<T>, option: &ParseNestedMeta<'_>) -> Result<bool> {
    let value = option.value()?.parse()?;
    Ok(place.replace(value).is_some())
}

/// Returns the method of `Message` with this weight, where there is one.
pub(crate) fn weight_method(weight: Option<&Expr>) -> Option<TokenStream> {
    let weight = weight?;
    Some(quote! {
        fn weight(&self) -> usize {
            #weight
        }
    })
}

impl NewMessage {
    fn of(method: &ImplItemFn, parameters: &[PatType], weight: Option<Expr>) -> Result<Self> {
        let fields: Result<Vec<_>> = parameters.iter().map(field).collect();
        Ok(Self {
            name: upper_camel_case(&method.sig.ident),
            visibility: method.vis.clone(),
            documentation: only(&method.attrs, "doc"),
            fields: fields?,
            weight,
        })
    }

    fn declare(&self, answer: &Type, conditions: &[Attribute]) -> TokenStream {
        let (name, visibility, documentation) = (&self.name, &self.visibility, &self.documentation);
        let fields = self.fields.iter().map(|(field, of_type)| {
            let text = format!(" The parameter `{field}`.");
            quote! { #[doc = #text] #visibility #field: #of_type }
        });
        let body = if self.fields.is_empty() {
            quote! { ; }
        } else {
            quote! { { #(#fields),* } }
        };
        let (result, weight) = (result_of(answer), weight_method(self.weight.as_ref()));
        quote! {
            #(#conditions)*
            #(#documentation)*
            #visibility struct #name #body
            #(#conditions)*
            impl ::actoreum_supervision::Message for #name {
                type Result = #result;
                #weight
            }
        }
    }
}

/// Returns the parameters of a handler after `self`.
fn parameters(method: &ImplItemFn) -> Result<Vec<PatType>> {
    let signature = &method.sig;
    if let Some(keyword) = &signature.asyncness {
        let error = "a handler is not asynchronous: return `Later<T>`, whose future runs beside the \
                     actor's other messages";
        return Err(Error::new_spanned(keyword, error));
    }
    if let Some(parameter) = signature.generics.params.first() {
        let error = "a handler has no parameters of its own: its message is one type";
        return Err(Error::new_spanned(parameter, error));
    }
    let is_by_reference = |it: &syn::Receiver| it.reference.is_some() && it.colon_token.is_none();
    if !signature.receiver().is_some_and(is_by_reference) {
        let error = "a handler takes `&mut self` or `&self`";
        let place = signature
            .inputs
            .first()
            .map_or_else(|| signature.ident.span(), Spanned::span);
        return Err(Error::new(place, error));
    }
    let after_self = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(parameter) => Some(parameter.clone()),
    });
    Ok(after_self.collect())
}

/// Returns the type of the message of a method marked with `#[handler]`.
fn declared_message(method: &ImplItemFn, parameters: &[PatType]) -> Result<Type> {
    match parameters {
        [message] => Ok((*message.ty).clone()),
        [] => {
            let error = "a handler takes a message: `fn name(&mut self, message: Type)`";
            Err(Error::new_spanned(&method.sig.ident, error))
        }
        [_, second, ..] => {
            let error = "after its message a handler takes `ctx: &mut Ctx<Self>` alone; \
                         #[message] declares a message with several fields";
            Err(Error::new_spanned(second, error))
        }
    }
}

/// Returns the field of a declared message for a parameter.
fn field(parameter: &PatType) -> Result<(Ident, Type)> {
    match &*parameter.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
            Ok((name.ident.clone(), (*parameter.ty).clone()))
        }
        other => {
            let error = "a parameter of a #[message] method has a plain name, which is that of the \
                         field";
            Err(Error::new_spanned(other, error))
        }
    }
}

/// Returns true for the type `&mut Ctx<…>`.
fn is_context(parameter: &Type) -> bool {
    let Type::Reference(reference) = parameter else {
        return false;
    };
    let Type::Path(path) = &*reference.elem else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|it| it.ident == "Ctx")
}

/// Returns the type of the result of a return type: that within `Later<T>` or `Value<T>`, or the type
/// itself.
fn result_of(answer: &Type) -> &Type {
    let Type::Path(path) = answer else {
        return answer;
    };
    let Some(last) = path.path.segments.last() else {
        return answer;
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return answer;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(result)) if last.ident == "Later" || last.ident == "Value" => {
            result
        }
        _ => answer,
    }
}

/// Returns the constant of a policy, where the handler chooses one.
fn policy(constant: &str, policies: &str, variant: Option<&Ident>) -> Option<TokenStream> {
    let variant = variant?;
    let (constant, policies) = (format_ident!("{constant}"), format_ident!("{policies}"));
    Some(quote_spanned! {variant.span()=>
        const #constant: ::actoreum_supervision::#policies =
            ::actoreum_supervision::#policies::#variant;
    })
}

/// Returns the attributes called `name`.
fn only(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    let named = attributes.iter().filter(|it| it.path().is_ident(name));
    named.cloned().collect()
}

/// Returns the name of the message that a method declares: `get_balance` gives `GetBalance`.
fn upper_camel_case(method: &Ident) -> Ident {
    let text = method.to_string();
    let words = text.trim_start_matches("r#").split('_');
    let name: String = words
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect();
    Ident::new(&name, method.span())
}
