// Members that the modules of a node add to the web3 object. A method is `name: spec`: the number of
// its parameters, or a list of their formatters (0 for none), which makes all of them optional. Its
// wire name is `<module>_<name>`, unless an object gives others.

const { utils, formatters, Method, Property } = internal;

const ADDRESS = formatters.inputAddressFormatter;
const TX = formatters.inputTransactionFormatter;
const BLOCK = formatters.inputBlockNumberFormatter;
const DEFAULT_BLOCK = formatters.inputDefaultBlockNumberFormatter;
const AMOUNT = utils.fromDecimal;

const printed = (result) => console.log(result);
const byHashOrNumber = (byHash, byNumber) => (args) => (
  utils.isString(args[0]) && args[0].indexOf('0x') === 0 ? byHash : byNumber);

function pendingTransactions(list) {
  return list.map((tx) => {
    const formatted = formatters.outputTransactionFormatter(tx);
    formatted.blockHash = null;
    return formatted;
  });
}

function poolStatus(status) {
  status.pending = utils.toDecimal(status.pending);
  status.queued = utils.toDecimal(status.queued);
  return status;
}

const MODULES = {
  admin: {
    methods: {
      addPeer: 1, removePeer: 1, addTrustedPeer: 1, removeTrustedPeer: 1, exportChain: [0],
      importChain: 1, sleepBlocks: 2, startRPC: [0, 0, 0, 0], stopRPC: 0, startWS: [0, 0, 0, 0],
      stopWS: 0, startHTTP: [0, 0, 0, 0, 0], stopHTTP: 0,
    },
    properties: { nodeInfo: {}, peers: {}, datadir: {} },
  },
  clique: {
    methods: {
      getSnapshot: [0], getSnapshotAtHash: 1, getSigners: [0], getSignersAtHash: 1, propose: 2,
      discard: 1,
    },
    properties: { proposals: {} },
  },
  debug: {
    methods: {
      printBlock: 1, getBlockRlp: 1, setHead: 1, seedHash: 1, dumpBlock: 1,
      chaindbProperty: { params: 1, output: printed }, chaindbCompact: 0, metrics: 1, verbosity: 1,
      vmodule: 1, backtraceAt: 1, stacks: { params: 0, output: printed }, freeOSMemory: 0,
      setGCPercent: 1, memStats: 0, gcStats: 0, cpuProfile: 2, startCPUProfile: 1, stopCPUProfile: 0,
      goTrace: 2, startGoTrace: 1, stopGoTrace: 0, blockProfile: 2, setBlockProfileRate: 1,
      writeBlockProfile: 1, mutexProfile: 2, setMutexProfileFraction: 1, writeMutexProfile: 1,
      writeMemProfile: 1, traceBlock: [0, 0], traceBlockFromFile: [0, 0], traceBadBlock: [0],
      standardTraceBadBlockToFile: [0, 0], standardTraceBlockToFile: [0, 0],
      traceBlockByNumber: [0, 0], traceBlockByHash: [0, 0], traceTransaction: [0, 0], preimage: [0],
      getBadBlocks: 0, storageRangeAt: 5, getModifiedAccountsByNumber: [0, 0],
      getModifiedAccountsByHash: [0, 0],
    },
  },
  eth: {
    methods: {
      chainId: 0, sign: [ADDRESS, 0], resend: [TX, AMOUNT, AMOUNT], signTransaction: [TX],
      submitTransaction: [TX],
      getRawTransaction: { call: 'eth_getRawTransactionByHash', params: 1 },
      getRawTransactionFromBlock: {
        call: byHashOrNumber(
          'eth_getRawTransactionByBlockHashAndIndex', 'eth_getRawTransactionByBlockNumberAndIndex'),
        params: 2,
        input: [BLOCK, utils.toHex],
      },
      getProof: [ADDRESS, 0, BLOCK],
    },
    properties: { pendingTransactions: { output: pendingTransactions } },
  },
  ethash: {
    methods: { getWork: 0, getHashrate: 0, submitWork: 3, submitHashRate: 2 },
  },
  les: {
    methods: {
      getCheckpoint: 1, clientInfo: 1, priorityClientInfo: 3, setClientParams: 2,
      setDefaultParams: 1, addBalance: 2,
    },
    properties: {
      latestCheckpoint: {}, serverInfo: {},
      checkpointContractAddress: { getter: 'les_getCheckpointContractAddress' },
    },
  },
  miner: {
    methods: {
      start: [0], stop: 0, setEtherbase: [ADDRESS], setExtra: 1, setGasPrice: [AMOUNT],
      setGasLimit: [AMOUNT], setRecommitInterval: 1, getHashrate: 0,
    },
  },
  net: { properties: { version: {} } },
  personal: {
    methods: {
      importRawKey: 2, sign: [0, ADDRESS, 0], ecRecover: 2, openWallet: 2, deriveAccount: 3,
      signTransaction: [TX, 0],
    },
    properties: { listWallets: {} },
  },
  rpc: { properties: { modules: { getter: 'rpc_modules' } } },
  shh: { properties: { version: { output: utils.toDecimal }, info: {} } },
  txpool: { properties: { content: {}, inspect: {}, status: { output: poolStatus } } },
};

// Members that the web3 object has whatever modules the node serves.
const CORE = {
  eth: {
    methods: {
      getBalance: { params: 2, input: [ADDRESS, DEFAULT_BLOCK], output: utils.toBigNumber },
      getStorageAt: { params: 3, input: [0, utils.toHex, DEFAULT_BLOCK] },
      getCode: { params: 2, input: [ADDRESS, DEFAULT_BLOCK] },
      getBlock: {
        call: byHashOrNumber('eth_getBlockByHash', 'eth_getBlockByNumber'),
        params: 2,
        input: [BLOCK, (full) => !!full],
        output: formatters.outputBlockFormatter,
      },
      getUncle: {
        call: byHashOrNumber('eth_getUncleByBlockHashAndIndex', 'eth_getUncleByBlockNumberAndIndex'),
        params: 2,
        input: [BLOCK, utils.toHex],
        output: formatters.outputBlockFormatter,
      },
      getCompilers: 0,
      getBlockTransactionCount: {
        call: byHashOrNumber(
          'eth_getBlockTransactionCountByHash', 'eth_getBlockTransactionCountByNumber'),
        params: 1,
        input: [BLOCK],
        output: utils.toDecimal,
      },
      getBlockUncleCount: {
        call: byHashOrNumber('eth_getUncleCountByBlockHash', 'eth_getUncleCountByBlockNumber'),
        params: 1,
        input: [BLOCK],
        output: utils.toDecimal,
      },
      getTransaction: {
        call: 'eth_getTransactionByHash',
        params: 1,
        output: formatters.outputTransactionFormatter,
      },
      getTransactionFromBlock: {
        call: byHashOrNumber(
          'eth_getTransactionByBlockHashAndIndex', 'eth_getTransactionByBlockNumberAndIndex'),
        params: 2,
        input: [BLOCK, utils.toHex],
        output: formatters.outputTransactionFormatter,
      },
      getTransactionReceipt: { params: 1, output: formatters.outputTransactionReceiptFormatter },
      getTransactionCount: { params: 2, input: [0, DEFAULT_BLOCK], output: utils.toDecimal },
      sendRawTransaction: [0], sendTransaction: [TX], signTransaction: [TX], sign: [ADDRESS, 0],
      call: { params: 2, input: [formatters.inputCallFormatter, DEFAULT_BLOCK] },
      estimateGas: { params: 1, input: [formatters.inputCallFormatter], output: utils.toDecimal },
      'compile.solidity': { call: 'eth_compileSolidity', params: 1 },
      'compile.lll': { call: 'eth_compileLLL', params: 1 },
      'compile.serpent': { call: 'eth_compileSerpent', params: 1 },
      submitWork: 3, getWork: 0,
    },
    properties: {
      coinbase: {}, mining: {}, hashrate: { output: utils.toDecimal },
      syncing: { output: formatters.outputSyncingFormatter },
      gasPrice: { output: utils.toBigNumber }, accounts: {},
      blockNumber: { output: utils.toDecimal }, protocolVersion: {},
    },
  },
  db: { methods: { putString: 3, getString: 2, putHex: 3, getHex: 2 } },
  bzz: {
    methods: {
      blockNetworkRead: [0], syncEnabled: [0], swapEnabled: [0], download: [0, 0], upload: [0, 0],
      retrieve: [0], store: [0, 0], get: [0], put: [0, 0], modify: [0, 0, 0, 0],
    },
    properties: { hive: {}, info: {} },
  },
  net: { properties: { listening: {}, peerCount: { output: utils.toDecimal } } },
  personal: {
    methods: {
      newAccount: [0], importRawKey: 2, sign: [0, ADDRESS, 0], ecRecover: 2,
      unlockAccount: [ADDRESS, 0, 0], sendTransaction: [TX, 0], lockAccount: [ADDRESS],
    },
    properties: { listAccounts: {} },
  },
  shh: {
    methods: {
      version: 0, info: 0, setMaxMessageSize: 1, setMinPoW: 1, markTrustedPeer: 1, newKeyPair: 0,
      addPrivateKey: 1, deleteKeyPair: 1, hasKeyPair: 1, getPublicKey: 1, getPrivateKey: 1,
      newSymKey: 0, addSymKey: 1, generateSymKeyFromPassword: 1, hasSymKey: 1, getSymKey: 1,
      deleteSymKey: 1, post: [0],
    },
  },
};

function methodOf(module, name, spec) {
  const given = utils.isObject(spec) ? spec : { params: spec };
  const input = utils.isArray(given.params) ? given.params : given.input;
  return new Method({
    name,
    call: given.call || module + '_' + name,
    params: input ? input.length : given.params,
    inputFormatter: input && input.map((it) => it || null),
    outputFormatter: given.output,
  });
}

// Returns the extension of a module for `web3._extend`, or undefined if there is none.
function extension(table, module) {
  const members = table[module];
  return members && {
    property: module,
    methods: Object.entries(members.methods || {}).map(([name, spec]) => methodOf(module, name, spec)),
    properties: Object.entries(members.properties || {}).map(([name, spec]) => new Property({
      name,
      getter: spec.getter || module + '_' + name,
      outputFormatter: spec.output,
    })),
  };
}

internal.extensionOf = (module) => (
  Object.hasOwn(MODULES, module) ? extension(MODULES, module) : undefined);
internal.coreOf = (module) => extension(CORE, module);
