// Requests to the node: the provider's user, methods, properties and batches.

const utils = internal.utils;
const POLLING_INTERVAL_MS = 500;
let lastId = 0;

const errors = {
  invalidParams: () => new Error('Invalid number of input parameters to RPC method'),
  invalidProvider: () => new Error('Provider not set or invalid'),
  invalidResponse(result) {
    const message = result && result.error && result.error.message
      ? result.error.message : 'Invalid JSON RPC response: ' + JSON.stringify(result);
    return new Error(message);
  },
};
internal.errors = errors;

function payload(method, params) {
  lastId += 1;
  return { jsonrpc: '2.0', id: lastId, method, params: params || [] };
}

function isValid(response) {
  const isOne = (message) => !!message && !message.error && message.jsonrpc === '2.0'
    && typeof message.id === 'number' && message.result !== undefined;
  return utils.isArray(response) ? response.every(isOne) : isOne(response);
}

function RequestManager(provider) {
  this.provider = provider;
  this.polls = {};
  this.timeout = null;
}

RequestManager.prototype.send = function (data) {
  if (!this.provider) {
    throw errors.invalidProvider();
  }
  const result = this.provider.send(payload(data.method, data.params));
  if (!isValid(result)) {
    throw errors.invalidResponse(result);
  }
  return result.result;
};

RequestManager.prototype.sendAsync = function (data, callback) {
  if (!this.provider) {
    callback(errors.invalidProvider());
    return;
  }
  this.provider.sendAsync(payload(data.method, data.params), (error, result) => {
    if (error) {
      callback(error);
    } else if (!isValid(result)) {
      callback(errors.invalidResponse(result));
    } else {
      callback(null, result.result);
    }
  });
};

RequestManager.prototype.sendBatch = function (data, callback) {
  if (!this.provider) {
    callback(errors.invalidProvider());
    return;
  }
  const batch = data.map((one) => payload(one.method, one.params));
  this.provider.sendAsync(batch, (error, results) => {
    if (error) {
      callback(error);
    } else if (!utils.isArray(results)) {
      callback(errors.invalidResponse(results));
    } else {
      callback(null, results);
    }
  });
};

RequestManager.prototype.setProvider = function (p) {
  this.provider = p;
};

RequestManager.prototype.startPolling = function (data, pollId, callback, uninstall) {
  this.polls[pollId] = { data, id: pollId, callback, uninstall };
  if (!this.timeout) {
    this.poll();
  }
};

RequestManager.prototype.stopPolling = function (pollId) {
  delete this.polls[pollId];
  if (Object.keys(this.polls).length === 0 && this.timeout) {
    clearTimeout(this.timeout);
    this.timeout = null;
  }
};

// Ends all polls; that of `eth.isSyncing` stays if the argument is true.
RequestManager.prototype.reset = function (keepIsSyncing) {
  for (const key of Object.keys(this.polls)) {
    if (!keepIsSyncing || key.indexOf('syncPoll_') === -1) {
      this.polls[key].uninstall();
      delete this.polls[key];
    }
  }
  if (Object.keys(this.polls).length === 0 && this.timeout) {
    clearTimeout(this.timeout);
    this.timeout = null;
  }
};

RequestManager.prototype.poll = function () {
  this.timeout = setTimeout(() => this.poll(), POLLING_INTERVAL_MS);
  const ids = Object.keys(this.polls);
  if (ids.length === 0 || !this.provider) {
    return;
  }
  const requests = ids.map((id) => payload(this.polls[id].data.method, this.polls[id].data.params));
  this.provider.sendAsync(requests, (error, results) => {
    if (error || !utils.isArray(results)) {
      return;
    }
    results.forEach((result, index) => {
      // A callback before this one may have ended the poll.
      const poll = this.polls[ids[index]];
      if (!poll) {
        return;
      }
      if (isValid(result)) {
        poll.callback(null, result.result);
      } else {
        poll.callback(errors.invalidResponse(result));
      }
    });
  });
};

// Attaches a value under a dotted name.
function place(object, name, attach) {
  const parts = name.split('.');
  let target = object;
  if (parts.length > 1) {
    target = object[parts[0]] = object[parts[0]] || {};
  }
  attach(target, parts[parts.length - 1]);
}

function Method(options) {
  this.name = options.name;
  this.call = options.call;
  this.params = options.params || 0;
  this.inputFormatter = options.inputFormatter;
  this.outputFormatter = options.outputFormatter;
  this.requestManager = null;
}

Method.prototype.setRequestManager = function (rm) {
  this.requestManager = rm;
};
Method.prototype.getCall = function (args) {
  return utils.isFunction(this.call) ? this.call(args) : this.call;
};
Method.prototype.extractCallback = function (args) {
  return utils.isFunction(args[args.length - 1]) ? args.pop() : undefined;
};
Method.prototype.validateArgs = function (args) {
  if (args.length !== this.params) {
    throw errors.invalidParams();
  }
};
Method.prototype.formatInput = function (args) {
  if (!this.inputFormatter) {
    return args;
  }
  return this.inputFormatter.map((format, index) => (format ? format(args[index]) : args[index]));
};
Method.prototype.formatOutput = function (result) {
  return this.outputFormatter && result ? this.outputFormatter(result) : result;
};
Method.prototype.toPayload = function (args) {
  const call = this.getCall(args);
  const callback = this.extractCallback(args);
  const params = this.formatInput(args);
  this.validateArgs(params);
  return { method: call, params, callback };
};
Method.prototype.attachToObject = function (obj) {
  const call = this.buildCall();
  call.call = this.call;
  place(obj, this.name, (target, name) => {
    target[name] = call;
  });
};
Method.prototype.buildCall = function () {
  const method = this;
  const send = function () {
    const request = method.toPayload(Array.from(arguments));
    if (request.callback) {
      return method.requestManager.sendAsync(request, (error, result) => {
        request.callback(error, method.formatOutput(result));
      });
    }
    return method.formatOutput(method.requestManager.send(request));
  };
  send.request = function () {
    const request = method.toPayload(Array.from(arguments));
    request.format = function () { return method.formatOutput(arguments[0]); };
    return request;
  };
  return send;
};

function Property(options) {
  this.name = options.name;
  this.getter = options.getter;
  this.setter = options.setter;
  this.outputFormatter = options.outputFormatter;
  this.inputFormatter = options.inputFormatter;
  this.requestManager = null;
}

Property.prototype.setRequestManager = function (rm) {
  this.requestManager = rm;
};
Property.prototype.formatOutput = function (result) {
  const isPresent = result !== null && result !== undefined;
  return this.outputFormatter && isPresent ? this.outputFormatter(result) : result;
};
Property.prototype.attachToObject = function (obj) {
  const property = this;
  const get = () => property.formatOutput(property.requestManager.send({ method: property.getter }));
  const getAsync = function (callback) {
    property.requestManager.sendAsync({ method: property.getter }, (error, result) => {
      callback(error, property.formatOutput(result));
    });
  };
  getAsync.request = function (callback) {
    const format = function () { return property.formatOutput(arguments[0]); };
    return { method: property.getter, params: [], callback, format };
  };
  place(obj, this.name, (target, name) => {
    Object.defineProperty(target, name, { get, enumerable: true, configurable: true });
    target['get' + name[0].toUpperCase() + name.slice(1)] = getAsync;
  });
};

function Batch(web3) {
  this.requestManager = web3._requestManager;
  this.requests = [];
}

Batch.prototype.add = function (request) {
  this.requests.push(request);
};
Batch.prototype.execute = function () {
  const requests = this.requests;
  this.requestManager.sendBatch(requests, (error, answers) => {
    const results = answers || [];
    requests.forEach((request, index) => {
      if (!request.callback) {
        return;
      }
      const result = results[index] || {};
      if (error || !isValid(result)) {
        request.callback(error || errors.invalidResponse(result));
      } else {
        request.callback(null, request.format ? request.format(result.result) : result.result);
      }
    });
  });
};

Object.assign(internal, { RequestManager, Method, Property, Batch });
