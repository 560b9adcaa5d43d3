// Timers, output and modules of the console, before the web3 object.

// Printed forms: objects are not expanded, as in geth.
function write() {
  native.print(Array.from(arguments, (it) => (typeof it === 'symbol' ? it.toString() : String(it))).join(' '));
}

globalThis.console = {
  log: function () { write.apply(null, arguments); },
  error: function () { write.apply(null, arguments); },
};

const timers = new Map();

function schedule(name, args, repeats) {
  if (args.length === 0) {
    throw new TypeError(
      "Failed to execute '" + name + "': 1 argument required, but only 0 present.");
  }
  const [action, milliseconds] = args;
  const interval = Math.max(1, Number(milliseconds) || 1);
  // The handle is an empty object, as in geth.
  const handle = {};
  timers.set(handle, {
    action, args: args.slice(2), interval, repeats, due: native.now() + interval,
  });
  return handle;
}

globalThis.setTimeout = function (action, milliseconds) {
  return schedule('setTimeout', Array.from(arguments), false);
};
globalThis.setInterval = function (action, milliseconds) {
  return schedule('setInterval', Array.from(arguments), true);
};
globalThis.clearTimeout = function (timer) {
  timers.delete(timer);
};
globalThis.clearInterval = globalThis.clearTimeout;

// Milliseconds until the next timer is due, or -1 without one.
internal.nextTimer = function () {
  let next = -1;
  for (const timer of timers.values()) {
    const left = Math.max(0, timer.due - native.now());
    next = next < 0 ? left : Math.min(next, left);
  }
  return next;
};

// Runs the timer that was due first, if one is. Returns true if one was run. What it throws is the
// caller's to print; an interval stays.
internal.fireTimer = function () {
  let [first, handle] = [null, null];
  for (const [key, timer] of timers) {
    if (timer.due <= native.now() && (first === null || timer.due < first.due)) {
      [first, handle] = [timer, key];
    }
  }
  if (first === null) {
    return false;
  }
  if (first.repeats) {
    first.due = native.now() + first.interval;
  } else {
    timers.delete(handle);
  }
  if (typeof first.action === 'function') {
    first.action.apply(globalThis, first.args);
  } else {
    (0, eval)(String(first.action));
  }
  return true;
};

globalThis.loadScript = function (file) {
  return native.loadScript(String(file));
};
globalThis.inspect = function () {
  for (const value of arguments) {
    native.inspect(value);
  }
};
globalThis.require = function (name) {
  const module = { 'web3': internal.Web3, 'bignumber.js': internal.BigNumber }[name];
  if (module === undefined) {
    throw new Error("Cannot find module '" + name + "'");
  }
  return module;
};

// Provider of the web3 object: each request blocks until the node has answered it. The requests of an
// array are sent one by one.
function answer(request) {
  const response = JSON.parse(native.request(String(request.method), JSON.stringify(request.params || [])));
  return Object.assign({ jsonrpc: '2.0', id: request.id }, response);
}

function send(request, callback) {
  const response = Array.isArray(request) ? request.map(answer) : answer(request);
  if (typeof callback === 'function') {
    callback(null, response);
    return undefined;
  }
  return response;
}

globalThis.jeth = { send, sendAsync: send };
