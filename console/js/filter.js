// Filters that are polled, and `eth.isSyncing`.

const { utils, formatters, Method } = internal;

function ethMethods() {
  return [
    new Method({
      name: 'newFilter',
      call(args) {
        if (args[0] === 'latest') {
          args.shift();
          this.params = 0;
          return 'eth_newBlockFilter';
        }
        if (args[0] === 'pending') {
          args.shift();
          this.params = 0;
          return 'eth_newPendingTransactionFilter';
        }
        return 'eth_newFilter';
      },
      params: 1,
    }),
    new Method({ name: 'uninstallFilter', call: 'eth_uninstallFilter', params: 1 }),
    new Method({ name: 'getLogs', call: 'eth_getFilterLogs', params: 1 }),
    new Method({ name: 'poll', call: 'eth_getFilterChanges', params: 1 }),
  ];
}

function shhMethods() {
  return [
    new Method({ name: 'newFilter', call: 'shh_newMessageFilter', params: 1 }),
    new Method({ name: 'uninstallFilter', call: 'shh_deleteMessageFilter', params: 1 }),
    new Method({ name: 'getLogs', call: 'shh_getFilterMessages', params: 1 }),
    new Method({ name: 'poll', call: 'shh_getFilterMessages', params: 1 }),
  ];
}

function toTopic(value) {
  if (value === null || value === undefined) {
    return null;
  }
  const text = String(value);
  return text.indexOf('0x') === 0 ? text : utils.fromUtf8(text);
}

function getOptions(options, type) {
  const given = options || {};
  if (utils.isString(given) || type !== 'eth') {
    return given;
  }
  const topics = (given.topics || []).map((topic) => (
    utils.isArray(topic) ? topic.map(toTopic) : toTopic(topic)));
  return {
    topics,
    from: given.from,
    to: given.to,
    address: given.address,
    fromBlock: formatters.inputBlockNumberFormatter(given.fromBlock),
    toBlock: formatters.inputBlockNumberFormatter(given.toBlock),
  };
}

// A filter of the node. Its callbacks get what a poll returns, one call for each entry.
function Filter(options, type, requestManager, methods, formatter, callback, onCreationError) {
  const self = this;
  this.requestManager = requestManager;
  this.implementation = {};
  for (const method of methods) {
    method.setRequestManager(requestManager);
    method.attachToObject(this.implementation);
  }
  this.filterId = null;
  this.callbacks = [];
  this.getLogsCallbacks = [];
  this.pollFilters = [];
  this.formatter = formatter;
  this.options = getOptions(options, type);
  this.implementation.newFilter(this.options, (error, id) => {
    if (error) {
      self.callbacks.forEach((it) => it(error));
      if (utils.isFunction(onCreationError)) {
        onCreationError(error);
      }
      return;
    }
    self.filterId = id;
    self.getLogsCallbacks.forEach((it) => self.get(it));
    self.getLogsCallbacks = [];
    self.callbacks.forEach((it) => logsAtStart(self, it));
    if (self.callbacks.length > 0) {
      pollFilter(self);
    }
    if (utils.isFunction(callback)) {
      self.watch(callback);
    }
  });
}

function logsAtStart(self, callback) {
  if (utils.isString(self.options)) {
    return;
  }
  self.get((error, messages) => {
    if (error) {
      callback(error);
    } else if (utils.isArray(messages)) {
      messages.forEach((message) => callback(null, message));
    }
  });
}

function pollFilter(self) {
  const onMessage = (error, messages) => {
    if (error) {
      self.callbacks.forEach((callback) => callback(error));
    } else if (utils.isArray(messages)) {
      for (const message of messages) {
        const formatted = self.formatter ? self.formatter(message) : message;
        self.callbacks.forEach((callback) => callback(null, formatted));
      }
    }
  };
  const request = { method: self.implementation.poll.call, params: [self.filterId] };
  self.requestManager.startPolling(request, self.filterId, onMessage, () => self.stopWatching());
}

Filter.prototype.watch = function (callback) {
  this.callbacks.push(callback);
  if (this.filterId) {
    logsAtStart(this, callback);
    pollFilter(this);
  }
  return this;
};

Filter.prototype.stopWatching = function (callback) {
  this.requestManager.stopPolling(this.filterId);
  this.callbacks = [];
  if (callback) {
    this.implementation.uninstallFilter(this.filterId, callback);
    return undefined;
  }
  return this.implementation.uninstallFilter(this.filterId);
};

Filter.prototype.get = function (callback) {
  const self = this;
  const format = (log) => (self.formatter ? self.formatter(log) : log);
  if (utils.isFunction(callback)) {
    if (this.filterId === null) {
      this.getLogsCallbacks.push(callback);
    } else {
      this.implementation.getLogs(this.filterId, (error, logs) => {
        callback(error, error ? undefined : logs.map(format));
      });
    }
    return this;
  }
  if (this.filterId === null) {
    throw new Error("Filter ID Error: filter().get() can't be chained synchronous, please provide "
      + 'a callback for the get() method.');
  }
  return this.implementation.getLogs(this.filterId).map(format);
};

// Polls `eth_syncing`. Callbacks get true at the start of a sync, then its progress, then false.
function IsSyncing(requestManager, callback) {
  const self = this;
  this.requestManager = requestManager;
  IsSyncing.count = (IsSyncing.count || 0) + 1;
  this.pollId = 'syncPoll_' + IsSyncing.count;
  this.callbacks = [];
  this.lastSyncState = false;
  this.addCallback(callback);
  const onMessage = (error, answer) => {
    if (error) {
      self.callbacks.forEach((it) => it(error));
      return;
    }
    const sync = formatters.outputSyncingFormatter(answer);
    self.callbacks.forEach((it) => {
      if (self.lastSyncState !== sync) {
        if (!self.lastSyncState && utils.isObject(sync)) {
          it(null, true);
        }
        setTimeout(() => it(null, sync), 0);
      }
    });
    self.lastSyncState = sync;
  };
  requestManager.startPolling(
    { method: 'eth_syncing', params: [] }, this.pollId, onMessage, () => self.stopWatching());
}

IsSyncing.prototype.addCallback = function (callback) {
  if (callback) {
    this.callbacks.push(callback);
  }
  return this;
};
IsSyncing.prototype.stopWatching = function () {
  this.requestManager.stopPolling(this.pollId);
  this.callbacks = [];
};

Object.assign(internal, { Filter, IsSyncing, watches: { eth: ethMethods, shh: shhMethods } });
