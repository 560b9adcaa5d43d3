// Contracts by their JSON ABI: functions, events and deployment.

const { utils, formatters, coder, Filter, watches } = internal;
const MAX_BLOCKS_TO_WAIT = 50;

function typesOf(parameters) {
  return (parameters || []).map(internal.typeOf);
}

const isPlainObject = (value) => utils.isObject(value) && !utils.isBigNumber(value);

function invalidArguments() {
  return new Error('Invalid number of arguments to Solidity function');
}

function SolidityFunction(eth, json, address) {
  const mutability = json.stateMutability;
  this._eth = eth;
  this._inputs = json.inputs || [];
  this._outputTypes = typesOf(json.outputs);
  this._constant = json.constant === true || mutability === 'view' || mutability === 'pure';
  this._payable = json.payable === true || mutability === 'payable';
  this._name = utils.transformToFullName(json);
  this._address = address;
}

SolidityFunction.prototype.signature = function () {
  return internal.sha3(this._name).slice(2, 10);
};

// Returns the fields of the transaction or call, and takes the arguments that are no parameters.
SolidityFunction.prototype.toPayload = function (args) {
  const count = this._inputs.length;
  let options = {};
  if (args.length > count && isPlainObject(args[args.length - 1])) {
    options = args[args.length - 1];
  }
  const hasTuple = this._inputs.some((input) => input.type.slice(0, 5) === 'tuple');
  const given = hasTuple ? args.slice(0, count) : args.filter((it) => !isPlainObject(it));
  if (given.length !== count) {
    throw invalidArguments();
  }
  options.to = this._address;
  options.data = '0x' + this.signature() + coder.encodeInputs(this._inputs, given);
  return options;
};

SolidityFunction.prototype.unpackOutput = function (output) {
  if (!output || output === '0x') {
    return undefined;
  }
  const result = coder.decodeParams(this._outputTypes, output.slice(2));
  return result.length === 1 ? result[0] : result;
};

SolidityFunction.prototype.call = function (args) {
  const callback = utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
  let defaultBlock;
  if (args.length > this._inputs.length && !isPlainObject(args[args.length - 1])) {
    defaultBlock = formatters.inputDefaultBlockNumberFormatter(args.pop());
  }
  const payload = this.toPayload(args);
  if (!callback) {
    return this.unpackOutput(this._eth.call(payload, defaultBlock));
  }
  return this._eth.call(payload, defaultBlock, (error, output) => {
    if (error) {
      callback(error, null);
      return;
    }
    let unpacked = null;
    try {
      unpacked = this.unpackOutput(output);
    } catch (failure) {
      callback(failure, null);
      return;
    }
    callback(null, unpacked);
  });
};

SolidityFunction.prototype.sendTransaction = function (args) {
  const callback = utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
  const payload = this.toPayload(args);
  if (payload.value > 0 && !this._payable) {
    throw new Error('Cannot send value to non-payable function');
  }
  return callback ? this._eth.sendTransaction(payload, callback) : this._eth.sendTransaction(payload);
};

SolidityFunction.prototype.estimateGas = function (args) {
  const callback = utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
  const payload = this.toPayload(args);
  return callback ? this._eth.estimateGas(payload, callback) : this._eth.estimateGas(payload);
};

SolidityFunction.prototype.request = function (args) {
  const callback = utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
  const method = this._constant ? 'eth_call' : 'eth_sendTransaction';
  const solidity = this;
  const format = function () {
    return solidity._constant ? solidity.unpackOutput(arguments[0]) : arguments[0];
  };
  return { method, callback, params: [this.toPayload(args)], format };
};

SolidityFunction.prototype.attachToContract = function (contract) {
  const solidity = this;
  const execute = function () {
    const args = Array.from(arguments);
    return solidity._constant ? solidity.call(args) : solidity.sendTransaction(args);
  };
  execute.request = function () { return solidity.request(Array.from(arguments)); };
  execute.call = function () { return solidity.call(Array.from(arguments)); };
  execute.sendTransaction = function () { return solidity.sendTransaction(Array.from(arguments)); };
  execute.estimateGas = function () { return solidity.estimateGas(Array.from(arguments)); };
  execute.getData = function () { return solidity.toPayload(Array.from(arguments)).data; };
  const displayName = utils.extractDisplayName(this._name);
  if (!contract[displayName]) {
    contract[displayName] = execute;
  }
  contract[displayName][utils.extractTypeName(this._name)] = execute;
};

function SolidityEvent(requestManager, json, address) {
  this._requestManager = requestManager;
  this._params = json.inputs || [];
  this._name = utils.transformToFullName(json);
  this._address = address;
  this._anonymous = json.anonymous;
}

SolidityEvent.prototype.signature = function () {
  return internal.sha3(this._name).slice(2);
};

// A parameter of dynamic type stands in a topic as its hash, which is given and returned as it is.
const isHashed = (type) => coder.isDynamic(type) || /[[(]/.test(type);

SolidityEvent.prototype.encode = function (indexed, options) {
  const wanted = indexed || {};
  const given = options || {};
  const result = {};
  for (const field of ['fromBlock', 'toBlock']) {
    if (given[field] !== undefined) {
      result[field] = formatters.inputBlockNumberFormatter(given[field]);
    }
  }
  result.topics = this._anonymous ? [] : ['0x' + this.signature()];
  result.address = this._address;
  for (const input of this._params.filter((it) => it.indexed === true)) {
    const value = wanted[input.name];
    const type = internal.typeOf(input);
    const topic = (one) => (isHashed(type) ? one : '0x' + coder.encodeParam(type, one));
    if (value === undefined || value === null) {
      result.topics.push(null);
    } else {
      result.topics.push(utils.isArray(value) ? value.map(topic) : topic(value));
    }
  }
  return result;
};

SolidityEvent.prototype.decode = function (log) {
  const topics = (log.topics || []).slice(this._anonymous ? 0 : 1);
  const plainTypes = typesOf(this._params.filter((it) => !it.indexed));
  const plain = coder.decodeParams(plainTypes, (log.data || '').slice(2));
  const result = formatters.outputLogFormatter(log);
  result.event = utils.extractDisplayName(this._name);
  result.args = {};
  for (const input of this._params) {
    if (!input.indexed) {
      result.args[input.name] = plain.shift();
      continue;
    }
    const topic = topics.shift();
    const type = internal.typeOf(input);
    result.args[input.name] = isHashed(type) ? topic : coder.decodeParam(type, topic.slice(2));
  }
  delete result.data;
  delete result.topics;
  return result;
};

function splitEventArguments(args) {
  const callback = utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
  return { callback, options: args.length === 2 ? args.pop() : undefined, indexed: args[0] };
}

SolidityEvent.prototype.attachToContract = function (contract) {
  const event = this;
  const execute = function () {
    const { callback, options, indexed } = splitEventArguments(Array.from(arguments));
    const formatter = (log) => event.decode(log);
    return new Filter(
      event.encode(indexed, options), 'eth', event._requestManager, watches.eth(), formatter, callback);
  };
  const displayName = utils.extractDisplayName(this._name);
  if (!contract[displayName]) {
    contract[displayName] = execute;
  }
  contract[displayName][utils.extractTypeName(this._name)] = execute;
};

function allEvents(requestManager, abi, address) {
  const events = abi.filter((json) => json.type === 'event')
    .map((json) => new SolidityEvent(requestManager, json, address));
  const decode = (log) => {
    const signature = ((log.topics || [])[0] || '').slice(2);
    const event = events.find((it) => it.signature() === signature);
    return event ? event.decode(log) : formatters.outputLogFormatter(log);
  };
  return function () {
    const args = Array.from(arguments);
    const callback = utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
    const options = Object.assign({}, args[0], { address });
    return new Filter(options, 'eth', requestManager, watches.eth(), decode, callback);
  };
}

function attach(contract) {
  const { abi, _eth: eth } = contract;
  for (const json of abi.filter((it) => it.type === 'function')) {
    new SolidityFunction(eth, json, contract.address).attachToContract(contract);
  }
  for (const json of abi.filter((it) => it.type === 'event')) {
    new SolidityEvent(eth._requestManager, json, contract.address).attachToContract(contract);
  }
  contract.allEvents = allEvents(eth._requestManager, abi, contract.address);
}

// Watches new blocks until the receipt of the deployment and the code are there.
function awaitDeployment(contract, callback) {
  const eth = contract._eth;
  let [count, isDone] = [0, false];
  const finish = (filter, error) => {
    isDone = true;
    filter.stopWatching(() => {});
    if (callback) {
      callback(error, error ? undefined : contract);
    } else if (error) {
      throw error;
    }
  };
  // The first poll may call back before `watch` returns.
  const filter = eth.filter('latest');
  filter.watch((error) => {
    if (error || isDone) {
      return;
    }
    count += 1;
    if (count > MAX_BLOCKS_TO_WAIT) {
      finish(filter, new Error("Contract transaction couldn't be found after 50 blocks"));
      return;
    }
    eth.getTransactionReceipt(contract.transactionHash, (failure, receipt) => {
      if (failure || isDone || !receipt || !receipt.blockHash) {
        return;
      }
      eth.getCode(receipt.contractAddress, (_, code) => {
        if (isDone || !code) {
          return;
        }
        if (code.length <= 3) {
          const reason = "The contract code couldn't be stored, please check your gas amount.";
          finish(filter, new Error(reason));
          return;
        }
        contract.address = receipt.contractAddress;
        attach(contract);
        finish(filter, null);
      });
    });
  });
}

function Contract(eth, abi, address) {
  this._eth = eth;
  this.transactionHash = null;
  this.address = address;
  this.abi = abi;
}

function constructorData(abi, args) {
  const count = args.length;
  const json = abi.find((it) => it.type === 'constructor' && (it.inputs || []).length === count);
  return json ? coder.encodeInputs(json.inputs || [], args) : '';
}

function ContractFactory(eth, abi) {
  this.eth = eth;
  this.abi = abi;
  // Arguments of the constructor, an object of the transaction, and a callback.
  this.new = function () {
    const contract = new Contract(this.eth, this.abi);
    const args = Array.from(arguments);
    const callback = utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
    const options = isPlainObject(args[args.length - 1]) ? args.pop() : {};
    if (options.value > 0) {
      const json = abi.find((it) => it.type === 'constructor'
        && (it.inputs || []).length === args.length) || {};
      if (!json.payable && json.stateMutability !== 'payable') {
        throw new Error('Cannot send value to non-payable constructor');
      }
    }
    options.data = (options.data || '') + constructorData(this.abi, args);
    if (!callback) {
      contract.transactionHash = this.eth.sendTransaction(options);
      awaitDeployment(contract);
      return contract;
    }
    this.eth.sendTransaction(options, (error, hash) => {
      if (error) {
        callback(error);
        return;
      }
      contract.transactionHash = hash;
      callback(null, contract);
      awaitDeployment(contract, callback);
    });
    return contract;
  };
}

ContractFactory.prototype.at = function (address, callback) {
  const contract = new Contract(this.eth, this.abi, address);
  attach(contract);
  if (callback) {
    callback(null, contract);
  }
  return contract;
};

ContractFactory.prototype.getData = function () {
  const args = Array.from(arguments);
  const options = isPlainObject(args[args.length - 1]) ? args.pop() : {};
  return (options.data || '') + constructorData(this.abi, args);
};

internal.ContractFactory = ContractFactory;
