// The web3 object, with the interface of web3.js 0.20.

const { utils, formatters, settings, Method, Property, Filter, watches } = internal;

const REGISTRAR_ADDRESS = '0xc6d9d2cd449a754c494264e1809c50e34d64562b';
const ICAP_REGISTRAR_ADDRESS = '0xa1a111bc074c9cfa781f0c38e63bd51c91b8af00';
const parameters = (list, isIndexed) => list.split(',').filter((it) => it !== '').map((it) => {
  const [type, name, indexed] = it.split(' ');
  return isIndexed ? { indexed: indexed === 'indexed', name, type } : { name, type };
});
const view = (name, inputs, output) => ({
  constant: true, inputs: parameters(inputs), name, outputs: parameters(output), type: 'function',
});
const write = (name, inputs) => ({
  constant: false, inputs: parameters(inputs), name, outputs: [], type: 'function',
});
const event = (name, inputs) => ({
  anonymous: false, inputs: parameters(inputs, true), name, type: 'event',
});

// Interfaces of the registrars of the first Ethereum network.
const REGISTRAR_ABI = [
  view('name', 'address _owner', 'bytes32 o_name'),
  view('owner', 'bytes32 _name', 'address '),
  view('content', 'bytes32 _name', 'bytes32 '),
  view('addr', 'bytes32 _name', 'address '),
  write('reserve', 'bytes32 _name'),
  view('subRegistrar', 'bytes32 _name', 'address '),
  write('transfer', 'bytes32 _name,address _newOwner'),
  write('setSubRegistrar', 'bytes32 _name,address _registrar'),
  write('Registrar', ''),
  write('setAddress', 'bytes32 _name,address _a,bool _primary'),
  write('setContent', 'bytes32 _name,bytes32 _content'),
  write('disown', 'bytes32 _name'),
  event('AuctionEnded', 'bytes32 _name indexed,address _winner'),
  event('NewBid', 'bytes32 _name indexed,address _bidder,uint256 _value'),
  event('Changed', 'bytes32 name indexed'),
  event('PrimaryChanged', 'bytes32 name indexed,address addr indexed'),
];
const ICAP_REGISTRAR_ABI = [
  view('owner', 'bytes32 _name', 'address '),
  write('disown', 'bytes32 _name,address _refund'),
  view('addr', 'bytes32 _name', 'address '),
  write('reserve', 'bytes32 _name'),
  write('transfer', 'bytes32 _name,address _newOwner'),
  write('setAddr', 'bytes32 _name,address _a'),
  event('Changed', 'bytes32 name indexed'),
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
  return this.contract(ICAP_REGISTRAR_ABI).at(ICAP_REGISTRAR_ADDRESS);
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

function DB(web3) {
  this._requestManager = web3._requestManager;
  attachAll(this, internal.coreOf('db'), web3._requestManager);
}

function Swarm(web3) {
  this._requestManager = web3._requestManager;
  attachAll(this, internal.coreOf('bzz'), web3._requestManager);
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
  this.db = new DB(this);
  this.shh = new Shh(this);
  this.net = new Net(this);
  this.personal = new Personal(this);
  this.bzz = new Swarm(this);
  this.settings = settings;
  this.version = { api: '0.20.1' };
  this.providers = Web3.providers;
  this._extend = extendWith(this);
  attachAll(this, {
    methods: [],
    properties: [
      new Property({ name: 'version.node', getter: 'web3_clientVersion' }),
      new Property({ name: 'version.network', getter: 'net_version' }),
      new Property({ name: 'version.ethereum', getter: 'eth_protocolVersion' }),
      new Property({ name: 'version.whisper', getter: 'shh_version' }),
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
  return internal.sha3(string, options);
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
