//! Values and errors as text, as geth 1.8 prints them.
//!
//! The rules are those of geth's `internal/jsre/pretty.go`: objects over several lines with sorted
//! fields, functions after the other fields, arrays on one line, nothing deeper than four levels.

mod quote;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use rquickjs::{Array, Coerced, Ctx, Function, Object, Value, function::This, object::Filter};

use quote::quote;
pub use quote::without_controls;

/// Level below which objects and arrays are shown as `{...}` and `[...]`.
const MAX_LEVEL: usize = 3;

/// Fields that every object has, which are not shown.
const HIDDEN_FIELDS: [&str; 7] = [
    "valueOf",
    "toString",
    "toLocaleString",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "constructor",
];

/// Codes of the colours, as parameters of the escape sequence `ESC [ code m`.
const FUNCTION: &str = "35";
const SPECIAL: &str = "1";
const NUMBER: &str = "31";
const TEXT: &str = "32";
const ERROR: &str = "91";

/// Returns the text of a value. It reads all properties of an object, so that getters are called.
pub fn value(value: &Value<'_>, has_colours: bool) -> String {
    let mut printer = Printer {
        out: String::new(),
        has_colours,
    };
    printer.value(value, 0, false);
    printer.out
}

/// Returns the text of a thrown value: the name and the message of an error with its stack, or the text
/// of anything else.
pub fn thrown(value: &Value<'_>, has_colours: bool) -> String {
    let mut printer = Printer {
        out: String::new(),
        has_colours,
    };
    let text = match value.as_object().filter(|_| value.is_error()) {
        Some(error) => text_of_error(error),
        None => text_of(value),
    };
    printer.coloured(ERROR, &without_controls(&text));
    printer.out
}

/// Returns the name and the message of an error, then its stack, and an empty line as in geth. The name
/// is that of its class, whatever its property `name` says.
fn text_of_error(error: &Object<'_>) -> String {
    let class = error
        .get_prototype()
        .map(|it| text_of(&property(&it, "name")));
    let class = class.unwrap_or_else(|| "Error".to_owned());
    let message = text_of(&property(error, "message"));
    let head = if message.is_empty() {
        class
    } else {
        format!("{class}: {}", in_words_of_geth(&message))
    };
    let stack = text_of(&property(error, "stack"));
    format!("{head}\n{stack}")
}

/// Rewrites the messages of the engine for names and fields that do not exist to those of geth's.
fn in_words_of_geth(message: &str) -> String {
    if let Some(name) = message.strip_suffix(" is not defined") {
        return format!("'{name}' is not defined");
    }
    match message.strip_prefix("cannot read property ") {
        Some(rest) => format!("Cannot access member {rest}"),
        None => message.to_owned(),
    }
}

/// Colours the text of an error that does not come from a script.
pub fn failure(text: &str, has_colours: bool) -> String {
    let mut printer = Printer {
        out: String::new(),
        has_colours,
    };
    printer.coloured(ERROR, text);
    printer.out
}

struct Printer {
    out: String,
    has_colours: bool,
}

/// Returns what `String(value)` returns, or an empty text if that throws.
fn text_of(value: &Value<'_>) -> String {
    match value.get::<Coerced<String>>() {
        Ok(Coerced(text)) => text,
        Err(_) => {
            forget_error(value.ctx());
            String::new()
        }
    }
}

/// Clears an exception that has no consequence.
fn forget_error(ctx: &Ctx<'_>) {
    let _ = ctx.catch();
}

/// Reads a property; one whose getter throws is undefined.
fn property<'js>(object: &Object<'js>, name: &str) -> Value<'js> {
    object.get(name).unwrap_or_else(|_| {
        forget_error(object.ctx());
        Value::new_undefined(object.ctx().clone())
    })
}

impl Printer {
    fn coloured(&mut self, code: &str, text: &str) {
        if self.has_colours {
            self.out.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
        } else {
            self.out.push_str(text);
        }
    }

    fn value(&mut self, value: &Value<'_>, level: usize, is_element: bool) {
        if let Some(object) = value.as_object() {
            self.object(value, object, level, is_element);
        } else if value.is_null() {
            self.coloured(SPECIAL, "null");
        } else if value.is_undefined() {
            self.coloured(SPECIAL, "undefined");
        } else if let Some(flag) = value.as_bool() {
            self.coloured(SPECIAL, if flag { "true" } else { "false" });
        } else if value.is_string() {
            self.coloured(TEXT, &quote(&text_of(value)));
        } else if value.is_symbol() {
            let description = value
                .as_symbol()
                .and_then(|symbol| symbol.description().ok())
                .filter(|it| !it.is_undefined());
            let text = description.map(|it| text_of(&it)).unwrap_or_default();
            self.coloured(TEXT, &format!("Symbol({text})"));
        } else {
            self.coloured(NUMBER, &text_of(value));
        }
    }

    fn object(&mut self, value: &Value<'_>, object: &Object<'_>, level: usize, is_element: bool) {
        if value.is_function() {
            self.coloured(FUNCTION, &signature(object));
            return;
        }
        if let Some(array) = value.as_array() {
            self.array(array, level);
            return;
        }
        match class_of(object).as_str() {
            "Object" if is_big_number(object) => self.coloured(NUMBER, &text_of(value)),
            "Object" => self.fields(object, level, is_element),
            "RegExp" => self.coloured(TEXT, &text_of(value)),
            class if level <= MAX_LEVEL => {
                self.out.push_str(&format!("<{class} {}>", text_of(value)));
            }
            class => self.out.push_str(&format!("<{class}>")),
        }
    }

    fn array(&mut self, array: &Array<'_>, level: usize) {
        if array.is_empty() {
            self.out.push_str("[]");
            return;
        }
        if level > MAX_LEVEL {
            self.out.push_str("[...]");
            return;
        }
        self.out.push('[');
        for index in 0..array.len() {
            if index > 0 {
                self.out.push_str(", ");
            }
            let element = property(array.as_object(), &index.to_string());
            self.value(&element, level + 1, true);
        }
        self.out.push(']');
    }

    fn fields(&mut self, object: &Object<'_>, level: usize, is_element: bool) {
        let fields = fields_of(object);
        if fields.is_empty() {
            self.out.push_str("{}");
            return;
        }
        if level > MAX_LEVEL {
            self.out.push_str("{...}");
            return;
        }
        self.out.push_str("{\n");
        let last = fields.len() - 1;
        for (index, (name, field)) in fields.iter().enumerate() {
            self.indent(level + 1);
            self.out.push_str(name);
            self.out.push_str(": ");
            self.value(field, level + 1, false);
            self.out.push_str(if index < last { ",\n" } else { "\n" });
        }
        // The brace of an element stands one level further left than its fields require.
        self.indent(if is_element {
            level.saturating_sub(1)
        } else {
            level
        });
        self.out.push('}');
    }

    fn indent(&mut self, level: usize) {
        self.out.push_str(&"  ".repeat(level));
    }
}

/// Returns the fields that are shown: sorted by name, functions last. Names are those of the object and
/// of the prototype of its constructor.
fn fields_of<'js>(object: &Object<'js>) -> Vec<(String, Value<'js>)> {
    let mut names = own_names(object);
    if let Some(prototype) = constructor_prototype(object) {
        names.extend(own_names(&prototype));
    }
    let mut seen = HashSet::new();
    names.retain(|name| {
        let is_hidden = name.starts_with('_') || HIDDEN_FIELDS.contains(&name.as_str());
        !is_hidden && seen.insert(name.clone())
    });
    names.sort();
    let fields = names.into_iter().map(|name| {
        let value = property(object, &name);
        (name, value)
    });
    let (functions, mut others): (Vec<_>, Vec<_>) =
        fields.partition(|(_, value)| value.is_function());
    others.extend(functions);
    others
}

fn own_names(object: &Object<'_>) -> Vec<String> {
    let keys = object.own_keys::<String>(Filter::new().string());
    keys.filter_map(|key| key.inspect_err(|_| forget_error(object.ctx())).ok())
        .collect()
}

fn constructor_prototype<'js>(object: &Object<'js>) -> Option<Object<'js>> {
    let constructor = property(object, "constructor").into_object()?;
    property(&constructor, "prototype").into_object()
}

/// Returns the class of an object, such as `Date`: the end of `Object.prototype.toString`.
fn class_of(object: &Object<'_>) -> String {
    let shown = object
        .ctx()
        .globals()
        .get::<_, Object<'_>>("Object")
        .and_then(|it| {
            let prototype: Object<'_> = it.get("prototype")?;
            let to_string: Function<'_> = prototype.get("toString")?;
            to_string.call::<_, String>((This(object.clone()),))
        });
    match shown {
        Ok(text) => text
            .trim_start_matches("[object ")
            .trim_end_matches(']')
            .to_owned(),
        Err(_) => {
            forget_error(object.ctx());
            "Object".to_owned()
        }
    }
}

/// Returns true for a number of any library whose constructor is called `BigNumber`.
fn is_big_number(object: &Object<'_>) -> bool {
    let constructor = property(object, "constructor");
    constructor.is_function() && text_of(&constructor).starts_with("function BigNumber")
}

/// Returns the source of a function before its body, such as `function(a, b)`.
fn signature(function: &Object<'_>) -> String {
    let text = text_of(function.as_value());
    let head = text.split('{').next().unwrap_or_default();
    head.trim_matches([' ', '\t', '\n']).replacen(" (", "(", 1)
}
