// Inline constraints of route parameters (`{id:int}`, `{name:length(1,10)}`) with ASP.NET Core's names and meanings.

/** Says whether a value fits. */
export type Constraint = (value: string) => boolean;

const INT32 = { least: -2_147_483_648, most: 2_147_483_647 };
const PLAIN: Readonly<Record<string, Constraint>> = {
  int: (value) => isInteger(value) && Number(value) >= INT32.least && Number(value) <= INT32.most,
  long: (value) => isInteger(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value),
  bool: (value) => /^(?:true|false)$/i.test(value),
  decimal: isNumber,
  double: isNumber,
  float: isNumber,
  guid: (value) => /^\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$/i.test(value),
  alpha: (value) => /^[a-z]*$/i.test(value),
  datetime: (value) => !Number.isNaN(Date.parse(value)),
  required: (value) => value !== '',
};

/** The constraint of a text such as `int` or `range(1,5)`. Throws `RangeError` for an unknown one. */
export function createConstraint(text: string, template: string): Constraint {
  const plain = Object.hasOwn(PLAIN, text.toLowerCase()) ? PLAIN[text.toLowerCase()] : undefined;
  if (plain) return plain;
  const call = /^(?<name>[a-z]+)\((?<arguments>.*)\)$/i.exec(text)?.groups;
  const name = call?.['name']?.toLowerCase() ?? '';
  const written = call?.['arguments'] ?? '';
  if (name === 'regex') {
    const expression = new RegExp(written, 'i');
    return (value) => expression.test(value);
  }
  const numbers = written.split(',').map((part) => Number(part.trim()));
  const [first = Number.NaN, second] = numbers;
  const unfit = () =>
    new RangeError(
      `route "${template}": "${text}" is not a known constraint (int, long, bool, guid, alpha, decimal, datetime, min, max, range, length, regex …)`,
    );
  if (numbers.some(Number.isNaN)) throw unfit();
  switch (name) {
    case 'min':
      return (value) => isInteger(value) && Number(value) >= first;
    case 'max':
      return (value) => isInteger(value) && Number(value) <= first;
    case 'range':
      return (value) => isInteger(value) && Number(value) >= first && Number(value) <= (second ?? first);
    case 'length':
      return (value) => value.length >= first && value.length <= (second ?? first);
    case 'minlength':
      return (value) => value.length >= first;
    case 'maxlength':
      return (value) => value.length <= first;
    default:
      throw unfit();
  }
}

function isInteger(value: string): boolean {
  return /^[+-]?\d{1,19}$/.test(value);
}

function isNumber(value: string): boolean {
  return value.trim() !== '' && Number.isFinite(Number(value));
}
