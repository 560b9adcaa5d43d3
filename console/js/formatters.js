// Formatters of parameters and results, and IBAN addresses.

const utils = internal.utils;
const settings = { defaultBlock: 'latest', defaultAccount: undefined };
internal.settings = settings;

const TAGS = ['latest', 'pending', 'earliest'];

const outputBigNumberFormatter = function (number) {
  return utils.toBigNumber(number);
};

const inputBlockNumberFormatter = function (blockNumber) {
  if (blockNumber === undefined || TAGS.includes(blockNumber)) {
    return blockNumber;
  }
  return utils.toHex(blockNumber);
};

const inputDefaultBlockNumberFormatter = function (blockNumber) {
  return inputBlockNumberFormatter(blockNumber === undefined ? settings.defaultBlock : blockNumber);
};

const inputAddressFormatter = function (address) {
  const iban = new Iban(address);
  if (iban.isValid() && iban.isDirect()) {
    return '0x' + iban.address();
  }
  if (utils.isStrictAddress(address)) {
    return address;
  }
  if (utils.isAddress(address)) {
    return '0x' + address;
  }
  throw new Error('invalid address');
};

const quantities = function (options) {
  for (const key of ['gasPrice', 'gas', 'value', 'nonce']) {
    if (options[key] !== undefined) {
      options[key] = utils.fromDecimal(options[key]);
    }
  }
  return options;
};

const inputCallFormatter = function (options) {
  options.from = options.from || settings.defaultAccount;
  if (options.from) {
    options.from = inputAddressFormatter(options.from);
  }
  if (options.to) {
    options.to = inputAddressFormatter(options.to);
  }
  return quantities(options);
};

const inputTransactionFormatter = function (options) {
  options.from = inputAddressFormatter(options.from || settings.defaultAccount);
  if (options.to) {
    options.to = inputAddressFormatter(options.to);
  }
  return quantities(options);
};

// Replaces the fields of an answer that are present and not null.
const convert = function (object, fields, conversion) {
  for (const field of fields) {
    if (object[field] !== null && object[field] !== undefined) {
      object[field] = conversion(object[field]);
    }
  }
  return object;
};

const outputTransactionFormatter = function (tx) {
  convert(tx, ['blockNumber', 'transactionIndex', 'nonce', 'gas'], utils.toDecimal);
  return convert(tx, ['gasPrice', 'value'], utils.toBigNumber);
};

const outputTransactionReceiptFormatter = function (receipt) {
  const numbers = ['blockNumber', 'transactionIndex', 'cumulativeGasUsed', 'gasUsed'];
  convert(receipt, numbers, utils.toDecimal);
  if (utils.isArray(receipt.logs)) {
    receipt.logs = receipt.logs.map((log) => outputLogFormatter(log));
  }
  return receipt;
};

const outputBlockFormatter = function (block) {
  convert(block, ['gasLimit', 'gasUsed', 'size', 'timestamp', 'number'], utils.toDecimal);
  convert(block, ['difficulty', 'totalDifficulty'], utils.toBigNumber);
  if (utils.isArray(block.transactions)) {
    for (const item of block.transactions) {
      if (!utils.isString(item)) {
        outputTransactionFormatter(item);
      }
    }
  }
  return block;
};

const outputLogFormatter = function (log) {
  return convert(log, ['blockNumber', 'transactionIndex', 'logIndex'], utils.toDecimal);
};

const outputSyncingFormatter = function (result) {
  if (!result) {
    return result;
  }
  const numbers = ['startingBlock', 'currentBlock', 'highestBlock', 'knownStates', 'pulledStates'];
  return convert(result, numbers, utils.toDecimal);
};

const inputPostFormatter = function (post) {
  convert(post, ['ttl', 'workToProve', 'priority'], utils.fromDecimal);
  const topics = utils.isArray(post.topics) || !post.topics ? post.topics || [] : [post.topics];
  post.topics = topics.map((topic) => (topic.indexOf('0x') === 0 ? topic : utils.fromUtf8(topic)));
  return post;
};

const outputPostFormatter = function (post) {
  convert(post, ['expiry', 'sent', 'ttl', 'workProved'], utils.toDecimal);
  post.topics = (post.topics || []).map((topic) => utils.toUtf8(topic));
  return post;
};

// International Bank Account Number of an account: `XE`, two check digits, and the address in base 36
// (direct), or an asset, an institution and a client (indirect).
function Iban(iban) {
  this._iban = iban;
}

// Digits of ISO 13616: letters count from 10 on, and the first four characters stand last.
const remainder = function (iban) {
  const text = iban.slice(4) + iban.slice(0, 4);
  let rest = 0;
  for (const character of text.toUpperCase()) {
    for (const digit of parseInt(character, 36).toString()) {
      rest = (rest * 10 + Number(digit)) % 97;
    }
  }
  return rest;
};

Iban.fromAddress = function (address) {
  const digits = BigInt('0x' + address.replace('0x', '')).toString(36);
  return Iban.fromBban(utils.padLeft(digits, 30).toUpperCase());
};
Iban.fromBban = function (bban) {
  const check = ('0' + (98 - remainder('XE00' + bban))).slice(-2);
  return new Iban('XE' + check + bban);
};
Iban.createIndirect = function (options) {
  return Iban.fromBban('ETH' + options.institution + options.identifier);
};
Iban.isValid = function (iban) {
  return new Iban(iban).isValid();
};
Iban.prototype.isValid = function () {
  return /^XE[0-9]{2}(ETH[0-9A-Z]{13}|[0-9A-Z]{30,31})$/.test(this._iban)
    && remainder(this._iban) === 1;
};
Iban.prototype.isDirect = function () {
  return this._iban.length === 34 || this._iban.length === 35;
};
Iban.prototype.isIndirect = function () {
  return this._iban.length === 20;
};
Iban.prototype.checksum = function () {
  return this._iban.slice(2, 4);
};
Iban.prototype.institution = function () {
  return this.isIndirect() ? this._iban.slice(7, 11) : '';
};
Iban.prototype.client = function () {
  return this.isIndirect() ? this._iban.slice(11) : '';
};
Iban.prototype.address = function () {
  if (!this.isDirect()) {
    return '';
  }
  return new internal.BigNumber(this._iban.slice(4), 36).toString(16).padStart(40, '0');
};
Iban.prototype.toString = function () {
  return this._iban;
};

internal.Iban = Iban;
internal.formatters = {
  inputDefaultBlockNumberFormatter, inputBlockNumberFormatter, inputCallFormatter,
  inputTransactionFormatter, inputAddressFormatter, outputBigNumberFormatter,
  outputTransactionFormatter, outputTransactionReceiptFormatter, outputBlockFormatter,
  outputLogFormatter, outputSyncingFormatter, inputPostFormatter, outputPostFormatter,
};
