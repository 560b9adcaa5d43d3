//! Functions of the console in Rust, which its JavaScript files call.

use std::{fs::File, io::Read as _, path::Path, rc::Rc, thread, time::Duration, time::Instant};

use rquickjs::{CatchResultExt as _, Ctx, Exception, Function, Object, String as JsString, Value};
use sha3::{Digest as _, Keccak256};

use super::{Host, evaluate, text_of_error};
use crate::{
    limits::{INTERRUPT_POLL, MAX_SCRIPT_BYTES},
    print,
    transport::{CallError, RpcError},
};

/// Code of errors that are not the node's, as geth's console reports them.
const INTERNAL_ERROR: i64 = -32_603;

/// Creates the object of the functions.
pub fn functions<'js>(ctx: &Ctx<'js>, host: &Rc<Host>) -> rquickjs::Result<Object<'js>> {
    let functions = Object::new(ctx.clone())?;
    let add = |name: &str, function: Function<'js>| functions.set(name, function);

    let it = Rc::clone(host);
    add(
        "print",
        Function::new(ctx.clone(), move |text: String| it.output.line(&text))?,
    )?;

    let it = Rc::clone(host);
    let inspect = move |value: Value<'js>| it.output.line(&print::value(&value, it.has_colours));
    add("inspect", Function::new(ctx.clone(), inspect)?)?;

    let it = Rc::clone(host);
    add(
        "now",
        Function::new(ctx.clone(), move || {
            it.begun.elapsed().as_secs_f64() * 1_000.0
        })?,
    )?;

    add("keccak", Function::new(ctx.clone(), keccak)?)?;

    let it = Rc::clone(host);
    add(
        "modules",
        Function::new(ctx.clone(), move || it.modules.clone())?,
    )?;

    let it = Rc::clone(host);
    let request =
        move |ctx: Ctx<'js>, method: String, params: String| request(&ctx, &it, &method, &params);
    add("request", Function::new(ctx.clone(), request)?)?;

    let it = Rc::clone(host);
    let password = move |ctx: Ctx<'js>, question: String| {
        let answer = it.passwords.borrow_mut().ask(&question);
        answer.map_err(|error| throw_text(&ctx, &error.to_string()))
    };
    add("password", Function::new(ctx.clone(), password)?)?;

    let it = Rc::clone(host);
    let sleep = move |ctx: Ctx<'js>, milliseconds: f64| sleep(&ctx, &it, milliseconds);
    add("sleep", Function::new(ctx.clone(), sleep)?)?;

    let it = Rc::clone(host);
    let clear = move || match it.history.clear() {
        Ok(()) => it.output.line("history file deleted"),
        Err(error) => it
            .output
            .line(&format!("can't delete history file: {error}")),
    };
    add("clearHistory", Function::new(ctx.clone(), clear)?)?;

    let it = Rc::clone(host);
    let load = move |ctx: Ctx<'js>, file: String| load_script(&ctx, &it, &file);
    add("loadScript", Function::new(ctx.clone(), load)?)?;
    Ok(functions)
}

/// Throws a string, which is printed as it is.
fn throw_text(ctx: &Ctx<'_>, text: &str) -> rquickjs::Error {
    match JsString::from_str(ctx.clone(), text) {
        Ok(text) => ctx.throw(text.into_value()),
        Err(error) => error,
    }
}

/// Returns the Keccak-256 of bytes in hex, with `0x`.
fn keccak(ctx: Ctx<'_>, digits: String) -> rquickjs::Result<String> {
    match hex::decode(digits) {
        Ok(bytes) => Ok(format!("0x{}", hex::encode(Keccak256::digest(bytes)))),
        Err(error) => Err(Exception::throw_message(
            &ctx,
            &format!("invalid hex data: {error}"),
        )),
    }
}

/// Returns the answer as JSON: `{"result": ...}` or `{"error": {"code": ..., "message": ...}}`.
fn request(ctx: &Ctx<'_>, host: &Host, method: &str, params: &str) -> rquickjs::Result<String> {
    let error = match host.client.borrow_mut().call(method, params) {
        Ok(result) => return Ok(format!("{{\"result\":{result}}}")),
        Err(CallError::Node(error)) => error,
        Err(CallError::Interrupted) => return Err(throw_text(ctx, "interrupted")),
        Err(CallError::Transport(error)) => RpcError {
            code: INTERNAL_ERROR,
            message: error.to_string(),
        },
    };
    let json = serde_json::to_string(&error);
    json.map(|json| format!("{{\"error\":{json}}}"))
        .map_err(|error| throw_text(ctx, &error.to_string()))
}

fn sleep(ctx: &Ctx<'_>, host: &Host, milliseconds: f64) -> rquickjs::Result<()> {
    let Ok(duration) = Duration::try_from_secs_f64(milliseconds.max(0.0) / 1_000.0) else {
        return Err(throw_text(ctx, "the duration is too long"));
    };
    let begun = Instant::now();
    loop {
        if host.interrupt.is_set() {
            return Err(throw_text(ctx, "interrupted"));
        }
        let left = duration.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(INTERRUPT_POLL));
    }
}

/// Runs a file. Returns false if it cannot be read, or if it throws, in which case the error is printed.
fn load_script(ctx: &Ctx<'_>, host: &Host, file: &str) -> bool {
    let path = host.script_dir.join(file);
    let Ok(code) = read_script(&path) else {
        return false;
    };
    match evaluate(ctx, &code, &path.to_string_lossy()).catch(ctx) {
        Ok(_) => true,
        Err(error) => {
            host.output.line(&format!("err: {}", text_of_error(&error)));
            false
        }
    }
}

/// Reads the text of a script.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or is larger than [`MAX_SCRIPT_BYTES`].
pub fn read_script(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(MAX_SCRIPT_BYTES + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_SCRIPT_BYTES) {
        return Err(std::io::Error::other(format!(
            "the script has more than {MAX_SCRIPT_BYTES} bytes"
        )));
    }
    Ok(text)
}
