// Decimal numbers of any size on BigInt: a value is sign * coefficient * 10^exponent. The methods and
// the printed forms are those of bignumber.js 2.0 as far as results of web3 0.20 need them.

const MODES = {
  ROUND_UP: 0, ROUND_DOWN: 1, ROUND_CEIL: 2, ROUND_FLOOR: 3, ROUND_HALF_UP: 4,
  ROUND_HALF_DOWN: 5, ROUND_HALF_EVEN: 6, ROUND_HALF_CEIL: 7, ROUND_HALF_FLOOR: 8,
};
const settings = {
  DECIMAL_PLACES: 20, ROUNDING_MODE: MODES.ROUND_HALF_UP, EXPONENTIAL_AT: [-7, 21], ERRORS: true,
};
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ$_';
const MAX_NUMBER_DIGITS = 15;

function BigNumber(value, base) {
  if (!(this instanceof BigNumber)) {
    return new BigNumber(value, base);
  }
  const parsed = parse(value, base);
  this.s = parsed.s;
  this._c = parsed.c;
  this._e = parsed.e;
}

function fail(message, value) {
  if (!settings.ERRORS) {
    return { s: null, c: null, e: 0 };
  }
  const error = new Error('new BigNumber() ' + message + ': ' + value);
  error.name = 'BigNumber Error';
  throw error;
}

// A coefficient of null stands for NaN (without a sign) or an infinity.
function parse(value, base) {
  if (value instanceof BigNumber && (base === undefined || base === null)) {
    return { s: value.s, c: value._c, e: value._e };
  }
  if (typeof value === 'number') {
    const digits = String(Math.abs(value)).replace(/e.*$/, '').replace(/^0\.0*|\./, '');
    if (isFinite(value) && digits.length > MAX_NUMBER_DIGITS && settings.ERRORS) {
      fail('number type has more than 15 significant digits', value);
    }
  }
  const negativeZero = typeof value === 'number' && value === 0 && 1 / value < 0;
  const text = negativeZero ? '-0' : String(value).trim();
  if (text === 'NaN') {
    return { s: null, c: null, e: 0 };
  }
  const infinite = /^(-?)Infinity$/.exec(text);
  if (infinite) {
    return { s: infinite[1] ? -1 : 1, c: null, e: 0 };
  }
  if (base === undefined || base === null || +base === 10) {
    return decimal(text, value, base);
  }
  return inBase(text, value, +base);
}

function decimal(text, value, base) {
  const prefixed = /^(-?)0([xbo])([0-9a-f]+)$/i.exec(text);
  if (prefixed && (base === undefined || base === null)) {
    const coefficient = BigInt('0' + prefixed[2].toLowerCase() + prefixed[3]);
    return normal(prefixed[1] ? -1 : 1, coefficient, 0);
  }
  const parts = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text);
  if (!parts || parts[2] + parts[3] === '') {
    return fail('not a number', value);
  }
  const exponent = Number(parts[4] || 0) - parts[3].length;
  return normal(parts[1] === '-' ? -1 : 1, BigInt(parts[2] + parts[3]), exponent);
}

function inBase(text, value, base) {
  if (!(base >= 2 && base <= 64 && Math.floor(base) === base)) {
    return fail('base not an integer or out of range', base);
  }
  const negative = text[0] === '-';
  let digits = negative ? text.slice(1) : text;
  if (base <= 36) {
    digits = digits.toLowerCase();
  }
  const [whole, fraction = '', more] = digits.split('.');
  let coefficient = 0n;
  const radix = BigInt(base);
  for (const digit of whole + fraction) {
    const index = DIGITS.indexOf(digit);
    if (index < 0 || index >= base) {
      return fail('not a base ' + base + ' number', value);
    }
    coefficient = coefficient * radix + BigInt(index);
  }
  if (whole + fraction === '' || more !== undefined) {
    return fail('not a base ' + base + ' number', value);
  }
  const sign = negative ? -1 : 1;
  if (fraction === '') {
    return normal(sign, coefficient, 0);
  }
  const result = divide(
    make(sign, coefficient, 0), make(1, radix ** BigInt(fraction.length), 0), settings.DECIMAL_PLACES);
  return { s: result.s, c: result._c, e: result._e };
}

function normal(sign, coefficient, exponent) {
  if (coefficient === 0n) {
    return { s: sign, c: 0n, e: 0 };
  }
  const digits = coefficient.toString();
  const kept = digits.replace(/0+$/, '');
  const zeros = digits.length - kept.length;
  return { s: sign, c: zeros > 0 ? BigInt(kept) : coefficient, e: exponent + zeros };
}

function make(sign, coefficient, exponent) {
  const result = Object.create(BigNumber.prototype);
  const parts = normal(sign, coefficient, exponent);
  result.s = parts.s;
  result._c = parts.c;
  result._e = parts.e;
  return result;
}

const power = (exponent) => 10n ** BigInt(exponent);
const special = (value) => new BigNumber(value);
const signed = (number) => (number.s < 0 ? -number._c : number._c);
const of = (value, base) => (value instanceof BigNumber && base === undefined
  ? value : new BigNumber(value, base));
const isSpecial = (number) => number._c === null;

// Divides two coefficients and rounds the quotient by a rounding mode.
function quotient(numerator, denominator, sign, mode) {
  const whole = numerator / denominator;
  const rest = numerator % denominator;
  if (rest === 0n) {
    return whole;
  }
  const twice = rest * 2n;
  const half = twice === denominator ? 0 : twice > denominator ? 1 : -1;
  const up = [
    true, false, sign > 0, sign < 0, half >= 0, half > 0,
    half > 0 || (half === 0 && whole % 2n === 1n), half > 0 || (half === 0 && sign > 0),
    half > 0 || (half === 0 && sign < 0),
  ][mode];
  return up ? whole + 1n : whole;
}

function rounded(number, places, mode) {
  if (isSpecial(number) || number._e >= -places) {
    return number;
  }
  const shift = -places - number._e;
  return make(number.s, quotient(number._c, power(shift), number.s, mode), -places);
}

function divide(left, right, places, mode) {
  const sign = left.s * right.s;
  const shift = left._e - right._e + places;
  const numerator = shift >= 0 ? left._c * power(shift) : left._c;
  const denominator = shift < 0 ? right._c * power(-shift) : right._c;
  const chosen = mode === undefined ? settings.ROUNDING_MODE : mode;
  return make(sign, quotient(numerator, denominator, sign, chosen), -places);
}

function aligned(left, right, combine) {
  const exponent = Math.min(left._e, right._e);
  const one = signed(left) * power(left._e - exponent);
  const other = signed(right) * power(right._e - exponent);
  const result = combine(one, other);
  return make(result < 0n ? -1 : 1, result < 0n ? -result : result, exponent);
}

// Digits of the absolute value without an exponent.
function plain(number) {
  const digits = number._c.toString();
  if (number._e >= 0) {
    return digits + '0'.repeat(number._e);
  }
  const padded = digits.padStart(1 - number._e, '0');
  const point = padded.length + number._e;
  return padded.slice(0, point) + '.' + padded.slice(point);
}

function scientific(digits, exponent) {
  const fraction = digits.length > 1 ? '.' + digits.slice(1) : '';
  return digits[0] + fraction + (exponent < 0 ? 'e' : 'e+') + exponent;
}

const leading = (number) => number._c.toString().length - 1 + number._e;
const minus = (number) => (number.s < 0 && number._c !== 0n ? '-' : '');

function text(number, base) {
  if (isSpecial(number)) {
    return number.s === null ? 'NaN' : (number.s < 0 ? '-Infinity' : 'Infinity');
  }
  if (base === undefined || base === null) {
    const [low, high] = settings.EXPONENTIAL_AT;
    const at = leading(number);
    const isLong = number._c !== 0n && (at <= low || at >= high);
    return minus(number) + (isLong ? scientific(number._c.toString(), at) : plain(number));
  }
  if (+base === 10) {
    return minus(number) + plain(number);
  }
  const radix = BigInt(base);
  if (number._e >= 0) {
    return minus(number) + (number._c * power(number._e)).toString(+base);
  }
  const places = settings.DECIMAL_PLACES;
  const scaled = quotient(
    number._c * radix ** BigInt(places), power(-number._e), number.s, settings.ROUNDING_MODE);
  const digits = scaled.toString(+base).padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return minus(number) + digits.slice(0, -places) + (fraction ? '.' + fraction : '');
}

const methods = {
  plus(y, b) {
    const other = of(y, b);
    return isSpecial(this) || isSpecial(other)
      ? special(this.toNumber() + other.toNumber()) : aligned(this, other, (m, n) => m + n);
  },
  minus(y, b) {
    return this.plus(of(y, b).neg());
  },
  times(y, b) {
    const other = of(y, b);
    return isSpecial(this) || isSpecial(other)
      ? special(this.toNumber() * other.toNumber())
      : make(this.s * other.s, this._c * other._c, this._e + other._e);
  },
  div(y, b) {
    const other = of(y, b);
    return isSpecial(this) || isSpecial(other) || other._c === 0n
      ? special(this.toNumber() / other.toNumber())
      : divide(this, other, settings.DECIMAL_PLACES);
  },
  divToInt(y, b) {
    const other = of(y, b);
    return isSpecial(this) || isSpecial(other) || other._c === 0n
      ? special(this.toNumber() / other.toNumber()) : divide(this, other, 0, MODES.ROUND_DOWN);
  },
  mod(y, b) {
    const other = of(y, b);
    return isSpecial(this) || isSpecial(other) || other._c === 0n
      ? special(NaN) : aligned(this, other, (m, n) => m % n);
  },
  pow(n) {
    const exponent = Number(n);
    if (Math.floor(exponent) !== exponent) {
      return fail('exponent not an integer', n);
    }
    if (isSpecial(this)) {
      return special(this.toNumber() ** exponent);
    }
    const size = BigInt(Math.abs(exponent));
    const sign = this.s < 0 && size % 2n === 1n ? -1 : 1;
    const result = make(sign, this._c ** size, this._e * Number(size));
    return exponent < 0 ? new BigNumber(1).div(result) : result;
  },
  cmp(y, b) {
    const other = of(y, b);
    if (isSpecial(this) || isSpecial(other)) {
      const [one, two] = [this.toNumber(), other.toNumber()];
      return one === two ? 0 : one > two ? 1 : one < two ? -1 : null;
    }
    const difference = aligned(this, other, (m, n) => m - n);
    return difference._c === 0n ? 0 : difference.s;
  },
  eq(y, b) { return this.cmp(y, b) === 0; },
  gt(y, b) { return this.cmp(y, b) > 0; },
  gte(y, b) { const order = this.cmp(y, b); return order === 1 || order === 0; },
  lt(y, b) { return this.cmp(y, b) < 0; },
  lte(y, b) { const order = this.cmp(y, b); return order === -1 || order === 0; },
  abs() { return isSpecial(this) ? special(Math.abs(this.toNumber())) : make(1, this._c, this._e); },
  neg() { return isSpecial(this) ? special(-this.toNumber()) : make(-this.s, this._c, this._e); },
  floor() { return rounded(this, 0, MODES.ROUND_FLOOR); },
  ceil() { return rounded(this, 0, MODES.ROUND_CEIL); },
  round(dp, rm) {
    const mode = rm === undefined || rm === null ? settings.ROUNDING_MODE : rm;
    return rounded(this, dp || 0, mode);
  },
  shift(k) { return isSpecial(this) ? this : make(this.s, this._c, this._e + Number(k)); },
  isZero() { return this._c === 0n; },
  isNegative() { return this.s < 0; },
  isInteger() { return !isSpecial(this) && this._e >= 0; },
  isNaN() { return this.s === null; },
  isFinite() { return !isSpecial(this); },
  toNumber() { return Number(text(this)); },
  toString(b) { return text(this, b); },
  valueOf() { return text(this); },
  toJSON() { return text(this); },
  toFixed(dp, rm) {
    if (isSpecial(this) || dp === undefined || dp === null) {
      return isSpecial(this) ? text(this) : minus(this) + plain(this);
    }
    const number = this.round(dp, rm);
    const [whole, fraction = ''] = plain(number).split('.');
    return minus(number) + whole + (dp > 0 ? '.' + fraction.padEnd(dp, '0') : '');
  },
  toExponential(dp, rm) {
    if (isSpecial(this)) {
      return text(this);
    }
    if (dp === undefined || dp === null) {
      return minus(this) + scientific(this._c.toString(), leading(this));
    }
    const number = this.round(dp - leading(this), rm);
    return minus(number) + scientific(number._c.toString().padEnd(dp + 1, '0'), leading(number));
  },
};
const aliases = {
  add: 'plus', sub: 'minus', mul: 'times', dividedBy: 'div', dividedToIntegerBy: 'divToInt',
  modulo: 'mod', toPower: 'pow', comparedTo: 'cmp', equals: 'eq', greaterThan: 'gt',
  greaterThanOrEqualTo: 'gte', lessThan: 'lt', lessThanOrEqualTo: 'lte', absoluteValue: 'abs',
  negated: 'neg', isNeg: 'isNegative', isInt: 'isInteger',
};
for (const [name, method] of Object.entries(methods)) {
  BigNumber.prototype[name] = method;
}
for (const [alias, name] of Object.entries(aliases)) {
  BigNumber.prototype[alias] = methods[name];
}

Object.assign(BigNumber, MODES);
BigNumber.config = function (options) {
  for (const name of Object.keys(settings)) {
    if (options && options[name] !== undefined) {
      const value = options[name];
      const isRange = name === 'EXPONENTIAL_AT' && typeof value === 'number';
      settings[name] = isRange ? [-value, value] : value;
    }
  }
  return Object.assign({}, settings);
};
BigNumber.max = function () {
  return Array.from(arguments, (it) => of(it)).reduce((one, other) => (one.gt(other) ? one : other));
};
BigNumber.min = function () {
  return Array.from(arguments, (it) => of(it)).reduce((one, other) => (one.lt(other) ? one : other));
};

internal.BigNumber = BigNumber;
// Integer of a number, rounded down, for codecs.
internal.toBigInt = function (number) {
  const whole = number.floor();
  return whole._e >= 0 ? signed(whole) * power(whole._e) : 0n;
};
internal.fromBigInt = (value) => make(value < 0n ? -1 : 1, value < 0n ? -value : value, 0);
