// Coder of the contract ABI (https://docs.soliditylang.org/en/latest/abi-spec.html). Encoded data is a
// string of hex digits; offsets and lengths below count hex digits, 64 of which are a word.

const { utils, BigNumber } = internal;
const WORD = 64;
const TWO_256 = 1n << 256n;
// A length in data of a contract is not trusted beyond the words that are there.
const MAX_TYPE_DEPTH = 32;

// Parses `(uint256,string)[2][]` into {kind, ...}.
function parseType(name, depth) {
  if ((depth || 0) > MAX_TYPE_DEPTH) {
    throw new Error('invalid solidity type!: ' + name);
  }
  const next = (depth || 0) + 1;
  const array = /^(.*)\[(\d*)\]$/.exec(name);
  if (array) {
    const size = array[2] === '' ? null : Number(array[2]);
    return { kind: 'array', element: parseType(array[1], next), size };
  }
  if (name[0] === '(' && name[name.length - 1] === ')') {
    return { kind: 'tuple', members: splitTypes(name.slice(1, -1)).map((it) => parseType(it, next)) };
  }
  const simple = /^(uint|int|bytes|address|bool|string|function)(\d*)$/.exec(name);
  if (!simple) {
    throw new Error('invalid solidity type!: ' + name);
  }
  const [, kind, size] = simple;
  return { kind: kind === 'bytes' && size ? 'fixed' : kind, size: Number(size) };
}

// Splits a list of types at the commas that are in no parentheses.
function splitTypes(list) {
  const types = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < list.length; i++) {
    depth += list[i] === '(' ? 1 : list[i] === ')' ? -1 : 0;
    if (list[i] === ',' && depth === 0) {
      types.push(list.slice(start, i));
      start = i + 1;
    }
  }
  return list === '' ? [] : types.concat(list.slice(start));
}

function isDynamic(type) {
  switch (type.kind) {
    case 'string':
    case 'bytes':
      return true;
    case 'array':
      return type.size === null || isDynamic(type.element);
    case 'tuple':
      return type.members.some(isDynamic);
    default:
      return false;
  }
}

function headSize(type) {
  if (isDynamic(type)) {
    return WORD;
  }
  if (type.kind === 'array') {
    return type.size * headSize(type.element);
  }
  return type.kind === 'tuple' ? type.members.reduce((sum, it) => sum + headSize(it), 0) : WORD;
}

const word = (integer) => ((integer % TWO_256) + TWO_256).toString(16).slice(-WORD).padStart(WORD, '0');

function integerWord(value) {
  const integer = typeof value === 'bigint' ? value
    : internal.toBigInt(utils.toBigNumber(value === true ? 1 : value));
  return (integer < 0n ? integer + TWO_256 : integer).toString(16).padStart(WORD, '0').slice(-WORD);
}

function hexDigits(value) {
  const digits = String(value).replace(/^0x/, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) {
    throw new Error('invalid hex data: ' + value);
  }
  return digits.toLowerCase();
}

const padded = (digits) => digits.padEnd(Math.ceil(digits.length / WORD) * WORD, '0');

function encode(type, value) {
  switch (type.kind) {
    case 'uint':
    case 'int':
      return integerWord(value);
    case 'address':
      return integerWord(utils.isString(value) && !/^0x/.test(value) ? '0x' + value : value);
    case 'bool':
      return word(value ? 1n : 0n);
    case 'fixed':
    case 'function':
      return hexDigits(value).padEnd(WORD, '0').slice(0, WORD);
    case 'bytes': {
      const digits = hexDigits(value);
      return word(BigInt(digits.length / 2)) + padded(digits);
    }
    case 'string': {
      const digits = internal.hexOf(internal.encodeUtf8(String(value)));
      return word(BigInt(digits.length / 2)) + padded(digits);
    }
    case 'array': {
      if (!utils.isArray(value) || (type.size !== null && value.length !== type.size)) {
        throw new Error('invalid array for a Solidity parameter: ' + JSON.stringify(value));
      }
      const body = encodeAll(value.map(() => type.element), value);
      return type.size === null ? word(BigInt(value.length)) + body : body;
    }
    default:
      return encodeAll(type.members, members(type, value));
  }
}

function members(type, value) {
  const values = utils.isArray(value) || !type.names ? value : type.names.map((name) => value[name]);
  if (!utils.isArray(values) || values.length !== type.members.length) {
    throw new Error('invalid tuple for a Solidity parameter: ' + JSON.stringify(value));
  }
  return values;
}

function encodeAll(types, values) {
  let offset = types.reduce((sum, type) => sum + headSize(type), 0);
  let [head, tail] = ['', ''];
  types.forEach((type, index) => {
    const encoded = encode(type, values[index]);
    if (!isDynamic(type)) {
      head += encoded;
      return;
    }
    head += word(BigInt(offset / 2));
    tail += encoded;
    offset += encoded.length;
  });
  return head + tail;
}

function wordAt(data, at) {
  if (at + WORD > data.length) {
    throw new Error('the data of the contract ends too early');
  }
  return BigInt('0x' + data.slice(at, at + WORD));
}

// A length or an offset, which counts bytes or elements.
function sizeAt(data, at) {
  const size = wordAt(data, at);
  if (size > BigInt(data.length)) {
    throw new Error('the data of the contract ends too early');
  }
  return Number(size);
}

function bytesAt(data, at) {
  const end = at + WORD + sizeAt(data, at) * 2;
  if (end > data.length) {
    throw new Error('the data of the contract ends too early');
  }
  return data.slice(at + WORD, end);
}

function decode(type, data, at) {
  switch (type.kind) {
    case 'uint':
      return internal.fromBigInt(wordAt(data, at));
    case 'int': {
      const value = wordAt(data, at);
      return internal.fromBigInt(value >> 255n === 1n ? value - TWO_256 : value);
    }
    case 'address':
      return '0x' + wordAt(data, at).toString(16).padStart(WORD, '0').slice(24);
    case 'bool':
      return wordAt(data, at) === 1n;
    case 'fixed':
      return '0x' + word(wordAt(data, at)).slice(0, type.size * 2);
    case 'function':
      return '0x' + word(wordAt(data, at)).slice(0, 48);
    case 'bytes':
      return '0x' + bytesAt(data, at);
    case 'string':
      return internal.decodeUtf8(internal.bytesOf(bytesAt(data, at)));
    case 'array': {
      const start = type.size === null ? at + WORD : at;
      const size = type.size === null ? sizeAt(data, at) : type.size;
      if (size * headSize(type.element) > data.length - start) {
        throw new Error('the data of the contract ends too early');
      }
      return decodeAll(new Array(size).fill(type.element), data, start);
    }
    default:
      return decodeAll(type.members, data, at);
  }
}

function decodeAll(types, data, start) {
  let at = start;
  return types.map((type) => {
    const position = isDynamic(type) ? start + sizeAt(data, at) * 2 : at;
    const value = decode(type, data, position);
    at += headSize(type);
    return value;
  });
}

// Type of a parameter of a JSON ABI: tuples know the names of their members.
function typeOfInput(input) {
  const type = parseType(internal.typeOf(input));
  name(type, input.components);
  return type;
}

function name(type, components) {
  if (type.kind === 'array') {
    name(type.element, components);
  } else if (type.kind === 'tuple' && components) {
    type.names = components.map((it) => it.name);
    type.members.forEach((member, index) => name(member, components[index].components));
  }
}

internal.coder = {
  encodeParam: (type, param) => encodeAll([parseType(type)], [param]),
  encodeParams: (types, params) => encodeAll(types.map((it) => parseType(it)), params),
  encodeInputs: (inputs, params) => encodeAll(inputs.map(typeOfInput), params),
  decodeParam: (type, bytes) => decodeAll([parseType(type)], bytes, 0)[0],
  decodeParams: (types, bytes) => decodeAll(types.map((it) => parseType(it)), bytes, 0),
  isDynamic: (type) => isDynamic(parseType(type)),
  BigNumber,
};
