// Functions that need the terminal, the clock or the history. What they throw is a string.

const isText = (value) => typeof value === 'string';
const isAbsent = (value) => value === undefined || value === null;
const PIN_NEEDED = 'trezor: pin needed';
const PIN_MATRIX = [
  'Look at the device for number positions', '', '7 | 8 | 9', '--+---+--', '4 | 5 | 6', '--+---+--',
  '1 | 2 | 3', '',
];

// The text of what a call to the node throws becomes the error, as in geth.
function call(method, args) {
  try {
    return method.apply(undefined, args);
  } catch (error) {
    throw String(error);
  }
}

function replacePersonal() {
  const personal = globalThis.personal;
  for (const name of ['openWallet', 'unlockAccount', 'newAccount', 'sign']) {
    jeth[name] = personal[name];
  }
  personal.newAccount = function () {
    let password = arguments[0];
    if (arguments.length === 0) {
      password = native.password('Passphrase: ');
      if (native.password('Repeat passphrase: ') !== password) {
        throw "passphrases don't match!";
      }
    } else if (arguments.length > 1 || !isText(password)) {
      throw 'expected 0 or 1 string argument';
    }
    return call(jeth.newAccount, [password]);
  };
  personal.unlockAccount = function (address, password, duration) {
    if (!isText(address)) {
      throw 'first argument must be the account to unlock';
    }
    let given = password;
    if (isAbsent(given)) {
      native.print('Unlock account ' + address);
      given = native.password('Passphrase: ');
    } else if (!isText(given)) {
      throw 'password must be a string';
    }
    if (!isAbsent(duration) && typeof duration !== 'number') {
      throw 'unlock duration must be a number';
    }
    return call(jeth.unlockAccount, [address, given, isAbsent(duration) ? null : duration]);
  };
  personal.sign = function (message, account, password) {
    if (!isText(message)) {
      throw 'first argument must be the message to sign';
    }
    if (!isText(account)) {
      throw 'second argument must be the account to sign with';
    }
    let given = password;
    if (isAbsent(given)) {
      native.print('Give password for account ' + account);
      given = native.password('Passphrase: ');
    } else if (!isText(given)) {
      throw 'third argument must be the password to unlock the account';
    }
    return call(jeth.sign, [message, account, given]);
  };
  personal.openWallet = function (url, password) {
    if (!isText(url)) {
      throw 'first argument must be the wallet URL to open';
    }
    const given = isText(password) ? password : '';
    try {
      return call(jeth.openWallet, [url, given]);
    } catch (error) {
      if (!error.endsWith(PIN_NEEDED)) {
        throw error;
      }
    }
    PIN_MATRIX.forEach((line) => native.print(line));
    return call(jeth.openWallet, [url, native.password('Please enter current PIN: ')]);
  };
  // A node without this module leaves the functions of the web3 object without an original.
  for (const name of ['openWallet']) {
    if (jeth[name] === undefined) {
      jeth[name] = function () { throw new Error('the node does not serve personal_' + name); };
    }
  }
}

function extendAdmin(admin) {
  admin.sleep = function (seconds) {
    if (typeof seconds !== 'number' || arguments.length < 1) {
      throw 'usage: sleep(<number of seconds>)';
    }
    native.sleep(Math.trunc(seconds) * 1000);
    return true;
  };
  admin.sleepBlocks = function (blocks, seconds) {
    if (arguments.length < 1) {
      throw 'usage: sleepBlocks(<n blocks>[, max sleep in seconds])';
    }
    if (typeof blocks !== 'number') {
      throw 'expected number as first argument';
    }
    if (arguments.length > 1 && typeof seconds !== 'number') {
      throw 'expected number as second argument';
    }
    const end = arguments.length > 1 ? native.now() + Math.trunc(seconds) * 1000 : Infinity;
    const current = () => call(() => web3.eth.blockNumber, []);
    const target = current() + Math.trunc(blocks);
    while (native.now() < end) {
      if (current() >= target) {
        return true;
      }
      native.sleep(1000);
    }
    return false;
  };
  admin.clearHistory = function () {
    native.clearHistory();
  };
}

internal.start = function () {
  internal.addModules(JSON.parse(native.modules()));
  replacePersonal();
  if (typeof globalThis.admin === 'object' && globalThis.admin !== null) {
    extendAdmin(globalThis.admin);
  }
};

// Lines of the welcome. The first getter that throws ends them, as in geth.
internal.welcome = function (modules) {
  const lines = [];
  try {
    lines.push('instance: ' + web3.version.node);
    lines.push('coinbase: ' + eth.coinbase);
    const block = eth.getBlock('latest');
    lines.push('at block: ' + block.number + ' (' + new Date(1000 * block.timestamp) + ')');
    if (typeof admin === 'object') {
      lines.push(' datadir: ' + admin.datadir);
    }
  } catch (error) {
    return lines.join('\n');
  }
  return lines.join('\n');
};

// Names that complete the text before the cursor, sorted.
internal.complete = function (word) {
  const dot = word.lastIndexOf('.');
  const [path, start] = dot < 0 ? ['', word] : [word.slice(0, dot), word.slice(dot + 1)];
  let object = globalThis;
  try {
    object = path === '' ? globalThis : (0, eval)(path);
  } catch (error) {
    return [];
  }
  if (isAbsent(object) || (dot === 0)) {
    return [];
  }
  const names = new Set(Object.getOwnPropertyNames(Object(object)));
  const prototype = object.constructor && object.constructor.prototype;
  if (prototype) {
    Object.getOwnPropertyNames(prototype).forEach((name) => names.add(name));
  }
  const found = Array.from(names)
    .filter((name) => name.startsWith(start) && /^[A-Za-z_$][\w$]*$/.test(name) && !/^__/.test(name))
    .sort();
  const prefix = path === '' ? '' : path + '.';
  if (found.length === 1 && found[0] === start) {
    const value = object[start];
    return [prefix + start + (typeof value === 'function' ? '(' : '.')];
  }
  return found.map((name) => prefix + name);
};
