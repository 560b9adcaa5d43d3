// Conversions and checks of the web3 object.

const BigNumber = internal.BigNumber;

const UNITS = {
  noether: '0', wei: '1', kwei: '1000', Kwei: '1000', babbage: '1000', femtoether: '1000',
  mwei: '1000000', Mwei: '1000000', lovelace: '1000000', picoether: '1000000',
  gwei: '1000000000', Gwei: '1000000000', shannon: '1000000000', nanoether: '1000000000',
  nano: '1000000000', szabo: '1000000000000', microether: '1000000000000', micro: '1000000000000',
  finney: '1000000000000000', milliether: '1000000000000000', milli: '1000000000000000',
  ether: '1000000000000000000', kether: '1000000000000000000000', grand: '1000000000000000000000',
  mether: '1000000000000000000000000', gether: '1000000000000000000000000000',
  tether: '1000000000000000000000000000000',
};

const isBigNumber = function (object) {
  return object instanceof BigNumber;
};
const isString = function (object) {
  return typeof object === 'string' || object instanceof String;
};
const isFunction = function (object) {
  return typeof object === 'function';
};
const isObject = function (object) {
  return object !== null && !Array.isArray(object) && typeof object === 'object';
};
const isArray = function (object) {
  return Array.isArray(object);
};

const isBoolean = function (object) {
  return typeof object === 'boolean';
};

const isJson = function (str) {
  try {
    return !!JSON.parse(str);
  } catch (error) {
    return false;
  }
};

// Hex digits in one case, with or without 0x.
const isHexOf = (text, digits) => new RegExp('^(0x)?([0-9a-f]{' + digits + '}|[0-9A-F]{' + digits + '})$').test(text);

const isBloom = function (bloom) {
  return isHexOf(bloom, 512);
};

const isTopic = function (topic) {
  return isHexOf(topic, 64);
};

const padLeft = function (string, chars, sign) {
  return String(string).padStart(chars, sign ? sign : '0');
};

const padRight = function (string, chars, sign) {
  return String(string).padEnd(chars, sign ? sign : '0');
};

const byte = (code) => code.toString(16).padStart(2, '0');

const bytesOf = function (hex) {
  const digits = hex.slice(0, 2) === '0x' ? hex.slice(2) : hex;
  let bytes = '';
  for (let i = 0; i + 1 < digits.length; i += 2) {
    bytes += String.fromCharCode(parseInt(digits.slice(i, i + 2), 16));
  }
  return bytes;
};

const hexOf = function (bytes) {
  let hex = '';
  for (let i = 0; i < bytes.length; i++) {
    hex += byte(bytes.charCodeAt(i) & 0xff);
  }
  return hex;
};

const encodeUtf8 = (string) => unescape(encodeURIComponent(string));

const decodeUtf8 = function (bytes) {
  try {
    return decodeURIComponent(escape(bytes));
  } catch (error) {
    throw new Error('Invalid UTF-8 detected');
  }
};

const toUtf8 = function (hex) {
  const bytes = bytesOf(hex);
  const end = bytes.indexOf('\0');
  return decodeUtf8(end < 0 ? bytes : bytes.slice(0, end));
};

const toAscii = function (hex) {
  return bytesOf(hex);
};

const fromUtf8 = function (str) {
  const bytes = encodeUtf8(str);
  const end = bytes.indexOf('\0');
  return '0x' + hexOf(end < 0 ? bytes : bytes.slice(0, end));
};

const fromAscii = function (str) {
  let hex = '';
  for (let i = 0; i < str.length; i++) {
    hex += byte(str.charCodeAt(i));
  }
  return '0x' + hex;
};

const toBigNumber = function (number) {
  const value = number || 0;
  if (isBigNumber(value)) {
    return value;
  }
  if (isString(value) && /^-?0x/.test(value)) {
    return new BigNumber(value.replace('0x', ''), 16);
  }
  return new BigNumber(value.toString(10), 10);
};

const toDecimal = function (value) {
  return toBigNumber(value).toNumber();
};

const fromDecimal = function (value) {
  const number = toBigNumber(value);
  const result = number.toString(16);
  return number.lt(0) ? '-0x' + result.slice(1) : '0x' + result;
};

const toHex = function (val) {
  if (typeof val === 'boolean') {
    return fromDecimal(+val);
  }
  if (isBigNumber(val)) {
    return fromDecimal(val);
  }
  if (typeof val === 'object') {
    return fromUtf8(JSON.stringify(val));
  }
  if (isString(val)) {
    if (val.indexOf('-0x') === 0) {
      return fromDecimal(val);
    }
    if (val.indexOf('0x') === 0) {
      return val;
    }
    if (!isFinite(val)) {
      return fromAscii(val);
    }
  }
  return fromDecimal(val);
};

const valueOfUnit = function (unit) {
  const value = UNITS[unit ? unit.toLowerCase() : 'ether'];
  if (value === undefined) {
    throw new Error("This unit doesn't exists, please use the one of the following units"
      + JSON.stringify(UNITS, null, 2));
  }
  return new BigNumber(value, 10);
};

const fromWei = function (number, unit) {
  const value = toBigNumber(number).div(valueOfUnit(unit));
  return isBigNumber(number) ? value : value.toString(10);
};

const toWei = function (number, unit) {
  const value = toBigNumber(number).times(valueOfUnit(unit));
  return isBigNumber(number) ? value : value.toString(10);
};

// Keccak-256 of UTF-8 text, or of bytes in hex. Returns hex with 0x.
const sha3 = function (value, options) {
  if (options && options.encoding === 'hex') {
    const hex = String(value);
    return native.keccak(hex.slice(0, 2) === '0x' && hex.length > 2 ? hex.slice(2) : hex);
  }
  return native.keccak(hexOf(encodeUtf8(String(value))));
};

const isStrictAddress = function (address) {
  return /^0x[0-9a-f]{40}$/i.test(address);
};

const isChecksumAddress = function (address) {
  const digits = address.replace('0x', '');
  const hash = sha3(digits.toLowerCase()).slice(2);
  return Array.from(digits).every((digit, index) => {
    const isUpper = parseInt(hash[index], 16) > 7;
    return digit === (isUpper ? digit.toUpperCase() : digit.toLowerCase());
  });
};

const isAddress = function (address) {
  if (!/^(0x)?[0-9a-f]{40}$/i.test(address)) {
    return false;
  }
  return /^(0x)?[0-9a-f]{40}$/.test(address) || /^(0x)?[0-9A-F]{40}$/.test(address)
    || isChecksumAddress(address);
};

const toChecksumAddress = function (address) {
  if (address === undefined) {
    return '';
  }
  const digits = address.toLowerCase().replace('0x', '');
  const hash = sha3(digits).slice(2);
  return '0x' + Array.from(digits, (digit, index) => (
    parseInt(hash[index], 16) > 7 ? digit.toUpperCase() : digit)).join('');
};

const toAddress = function (address) {
  if (isStrictAddress(address)) {
    return address;
  }
  return /^[0-9a-f]{40}$/.test(address) ? '0x' + address : '0x' + padLeft(toHex(address).slice(2), 40);
};

const toTwosComplement = function (number) {
  const value = toBigNumber(number).round();
  return value.lt(0) ? value.plus(new BigNumber(2).pow(256)) : value;
};

// `f(uint256,bytes)` of a function or an event in an ABI.
const transformToFullName = function (json) {
  if (json.name.indexOf('(') !== -1) {
    return json.name;
  }
  return json.name + '(' + (json.inputs || []).map(internal.typeOf).join(',') + ')';
};

const extractDisplayName = function (name) {
  const at = name.indexOf('(');
  return at < 0 ? name : name.slice(0, at);
};

const extractTypeName = function (name) {
  const at = name.indexOf('(');
  return at < 0 ? '' : name.slice(at + 1, name.length - 1).replace(/ /g, '');
};

// Type of an ABI parameter with its components: a tuple's is written `(a,b)`.
internal.typeOf = function (input) {
  if (input.type.slice(0, 5) !== 'tuple') {
    return input.type;
  }
  return '(' + (input.components || []).map(internal.typeOf).join(',') + ')' + input.type.slice(5);
};

internal.utils = {
  padLeft, padRight, toHex, toDecimal, fromDecimal, toUtf8, toAscii, fromUtf8, fromAscii,
  transformToFullName, extractDisplayName, extractTypeName, toWei, fromWei, toBigNumber,
  toTwosComplement, toAddress, isBigNumber, isStrictAddress, isAddress, isChecksumAddress,
  toChecksumAddress, isFunction, isString, isObject, isArray,
  isBoolean, isJson, isBloom, isTopic,
};
internal.sha3 = sha3;
internal.bytesOf = bytesOf;
internal.hexOf = hexOf;
internal.encodeUtf8 = encodeUtf8;
internal.decodeUtf8 = decodeUtf8;
