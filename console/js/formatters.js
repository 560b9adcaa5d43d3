// Formatters of parameters and results, and IBAN addresses.

const utils = internal.utils;
const settings = { defaultBlock: 'latest', defaultAccount: undefined };
internal.settings = settings;

const TAGS = ['latest', 'pending', 'earliest'];

function outputBigNumberFormatter(number) {
  return utils.toBigNumber(number);
}

function inputBlockNumberFormatter(blockNumber) {
  if (blockNumber === undefined || TAGS.includes(blockNumber)) {
    return blockNumber;
  }
  return utils.toHex(blockNumber);
}

function inputDefaultBlockNumberFormatter(blockNumber) {
  return inputBlockNumberFormatter(blockNumber === undefined ? settings.defaultBlock : blockNumber);
}

function inputAddressFormatter(address) {
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
}

function quantities(options) {
  for (const key of ['gasPrice', 'gas', 'value', 'nonce']) {
    if (options[key] !== undefined) {
      options[key] = utils.fromDecimal(options[key]);
    }
  }
  return options;
}

function inputCallFormatter(options) {
  options.from = options.from || settings.defaultAccount;
  if (options.from) {
    options.from = inputAddressFormatter(options.from);
  }
  if (options.to) {
    options.to = inputAddressFormatter(options.to);
  }
  return quantities(options);
}

function inputTransactionFormatter(options) {
  options.from = inputAddressFormatter(options.from || settings.defaultAccount);
  if (options.to) {
    options.to = inputAddressFormatter(options.to);
  }
  return quantities(options);
}

// Replaces the fields of an answer that are present and not null.
function convert(object, fields, conversion) {
  for (const field of fields) {
    if (object[field] !== null && object[field] !== undefined) {
      object[field] = conversion(object[field]);
    }
  }
  return object;
}

function outputTransactionFormatter(tx) {
  convert(tx, ['blockNumber', 'transactionIndex', 'nonce', 'gas'], utils.toDecimal);
  return convert(tx, ['gasPrice', 'value'], utils.toBigNumber);
}

function outputTransactionReceiptFormatter(receipt) {
  const numbers = ['blockNumber', 'transactionIndex', 'cumulativeGasUsed', 'gasUsed'];
  convert(receipt, numbers, utils.toDecimal);
  if (utils.isArray(receipt.logs)) {
    receipt.logs = receipt.logs.map((log) => outputLogFormatter(log));
  }
  return receipt;
}

function outputBlockFormatter(block) {
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
}

function outputLogFormatter(log) {
  return convert(log, ['blockNumber', 'transactionIndex', 'logIndex'], utils.toDecimal);
}

function outputSyncingFormatter(result) {
  if (!result) {
    return result;
  }
  const numbers = ['startingBlock', 'currentBlock', 'highestBlock', 'knownStates', 'pulledStates'];
  return convert(result, numbers, utils.toDecimal);
}

// International Bank Account Number of an account: `XE`, two check digits, and the address in base 36
// (direct), or an asset, an institution and a client (indirect).
function Iban(iban) {
  this._iban = iban;
}

// Digits of ISO 13616: letters count from 10 on, and the first four characters stand last.
function remainder(iban) {
  const text = iban.slice(4) + iban.slice(0, 4);
  let rest = 0;
  for (const character of text.toUpperCase()) {
    for (const digit of parseInt(character, 36).toString()) {
      rest = (rest * 10 + Number(digit)) % 97;
    }
  }
  return rest;
}

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
  outputLogFormatter, outputSyncingFormatter,
};
