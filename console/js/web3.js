// The web3 object, with the interface of web3.js 0.20.

const { utils, formatters, settings, Method, Property, Filter, watches } = internal;

const REGISTRAR_ADDRESS = '0xc6d9d2cd449a754c494264e1809c50e34d64562b';
const ICAP_REGISTRAR_ADDRESS = '0xa1a111bc074c9cfa781f0c38e63bd51c91b8af00';
const view = (name, inputs, output) => ({
  type: 'function', name, constant: true, inputs, outputs: [{ name: '', type: output }],
});
const write = (name, inputs) => ({ type: 'function', name, constant: false, inputs, outputs: [] });
const NAME = { name: '_name', type: 'bytes32' };
const REGISTRAR_ABI = [
  view('name', [{ name: '_owner', type: 'address' }], 'bytes32'),
  view('owner', [NAME], 'address'),
  view('content', [NAME], 'bytes32'),
  view('addr', [NAME], 'address'),
  view('subRegistrar', [NAME], 'address'),
  write('reserve', [NAME]),
  write('disown', [NAME]),
  write('transfer', [NAME, { name: '_newOwner', type: 'address' }]),
  write('setContent', [NAME, { name: '_content', type: 'bytes32' }]),
  write('setSubRegistrar', [NAME, { name: '_registrar', type: 'address' }]),
  write('setAddress', [
    NAME, { name: '_a', type: 'address' }, { name: '_primary', type: 'bool' },
  ]),
];

function attachAll(object, core, requestManager) {
  for (const member of core.methods.concat(core.properties)) {
    member.attachToObject(object);
    member.setRequestManager(requestManager);
  }
}

function Eth(web3) {
  const eth = this;
  this._requestManager = web3._requestManager;
  attachAll(this, internal.coreOf('eth'), web3._requestManager);
  this.iban = function (iban) {
    return new internal.Iban(iban);
  };
  Object.assign(this.iban, internal.Iban);
  this.sendIBANTransaction = function () {
    return sendToIban(eth, Array.from(arguments));
  };
}

// Sends a value to the address of a direct IBAN: from, IBAN, value, callback.
function sendToIban(eth, args) {
  const [from, text, value, callback] = args;
  const iban = new internal.Iban(text);
  if (!iban.isValid()) {
    throw new Error('invalid iban address');
  }
  if (!iban.isDirect()) {
    throw new Error('an indirect IBAN needs a registrar of its network: send to its address');
  }
  const transaction = { from, to: '0x' + iban.address(), value };
  return callback ? eth.sendTransaction(transaction, callback) : eth.sendTransaction(transaction);
}

for (const name of ['defaultBlock', 'defaultAccount']) {
  Object.defineProperty(Eth.prototype, name, {
    get() { return settings[name]; },
    set(value) { settings[name] = value; },
  });
}
Eth.prototype.contract = function (abi) {
  return new internal.ContractFactory(this, abi);
};
Eth.prototype.filter = function (options, callback, filterCreationErrorCallback) {
  return new Filter(options, 'eth', this._requestManager, watches.eth(),
    formatters.outputLogFormatter, callback, filterCreationErrorCallback);
};
Eth.prototype.namereg = function () {
  return this.contract(REGISTRAR_ABI).at(REGISTRAR_ADDRESS);
};
Eth.prototype.icapNamereg = function () {
  return this.contract(REGISTRAR_ABI).at(ICAP_REGISTRAR_ADDRESS);
};
Eth.prototype.isSyncing = function (callback) {
  return new internal.IsSyncing(this._requestManager, callback);
};

function Net(web3) {
  this._requestManager = web3._requestManager;
  attachAll(this, internal.coreOf('net'), web3._requestManager);
}

function Personal(web3) {
  this._requestManager = web3._requestManager;
  attachAll(this, internal.coreOf('personal'), web3._requestManager);
}

function Shh(web3) {
  this._requestManager = web3._requestManager;
  attachAll(this, internal.coreOf('shh'), web3._requestManager);
}

Shh.prototype.newMessageFilter = function (options, callback, filterCreationErrorCallback) {
  return new Filter(options, 'shh', this._requestManager, watches.shh(), null, callback,
    filterCreationErrorCallback);
};

function extendWith(web3) {
  const extend = function (extension) {
    let target = web3;
    if (extension.property) {
      web3[extension.property] = web3[extension.property] || {};
      target = web3[extension.property];
    }
    attachAll(target, {
      methods: extension.methods || [], properties: extension.properties || [],
    }, web3._requestManager);
  };
  extend.formatters = formatters;
  extend.utils = utils;
  extend.Method = Method;
  extend.Property = Property;
  return extend;
}

function Web3(provider) {
  this._requestManager = new internal.RequestManager(provider);
  this.currentProvider = provider;
  this.eth = new Eth(this);
  this.shh = new Shh(this);
  this.net = new Net(this);
  this.personal = new Personal(this);
  this.settings = settings;
  this.version = { api: '0.20.1' };
  this.providers = Web3.providers;
  this._extend = extendWith(this);
  attachAll(this, {
    methods: [],
    properties: [
      new Property({ name: 'version.node', getter: 'web3_clientVersion' }),
      new Property({ name: 'version.network', getter: 'net_version' }),
      new Property({
        name: 'version.ethereum', getter: 'eth_protocolVersion', outputFormatter: utils.toDecimal,
      }),
      new Property({
        name: 'version.whisper', getter: 'shh_version', outputFormatter: utils.toDecimal,
      }),
    ],
  }, this._requestManager);
}

Web3.providers = {};
Web3.prototype.providers = Web3.providers;
Web3.prototype.setProvider = function (provider) {
  this._requestManager.setProvider(provider);
  this.currentProvider = provider;
};
Web3.prototype.reset = function (keepIsSyncing) {
  this._requestManager.reset(keepIsSyncing);
  settings.defaultBlock = 'latest';
  settings.defaultAccount = undefined;
};
Web3.prototype.BigNumber = internal.BigNumber;
for (const name of [
  'toHex', 'toAscii', 'toUtf8', 'fromAscii', 'fromUtf8', 'toDecimal', 'fromDecimal', 'toBigNumber',
  'toWei', 'fromWei', 'isAddress', 'isChecksumAddress', 'toChecksumAddress', 'padLeft', 'padRight',
]) {
  Web3.prototype[name] = utils[name];
}
Web3.prototype.sha3 = function (string, options) {
  return utils.sha3(string, options);
};
Web3.prototype.isIBAN = internal.Iban.isValid;
Web3.prototype.fromICAP = function (icap) {
  return new internal.Iban(icap).address();
};
Web3.prototype.createBatch = function () {
  return new internal.Batch(this);
};
Web3.prototype.isConnected = function () {
  return this.currentProvider && this.currentProvider.isConnected();
};

internal.Web3 = Web3;
globalThis.Web3 = Web3;
globalThis.BigNumber = internal.BigNumber;
globalThis.web3 = new Web3(jeth);
globalThis.eth = web3.eth;
globalThis.personal = web3.personal;

// Adds the modules that the node serves (`rpc_modules`: name to version), each as a global.
internal.addModules = function (served) {
  for (const module of Object.keys(served)) {
    if (module === 'web3') {
      continue;
    }
    const extension = internal.extensionOf(module);
    if (extension) {
      web3._extend(extension);
    }
    if (extension || (typeof web3[module] === 'object' && web3[module] !== null)) {
      globalThis[module] = web3[module];
    }
  }
};
