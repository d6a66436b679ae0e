// Label and field selectors, as far as they are used: equality, sets, existence. What cannot be read is 400, as on the service.
import { StatusError } from './status.ts';

type Labels = Readonly<Record<string, string>>;
const KEY = String.raw`[A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?`;
const FORMS: readonly [RegExp, (key: string, values: string, labels: Labels) => boolean][] = [
  [new RegExp(`^(${KEY})\\s*==?\\s*([\\w.-]*)$`), (key, value, labels) => labels[key] === value],
  [new RegExp(`^(${KEY})\\s*!=\\s*([\\w.-]*)$`), (key, value, labels) => labels[key] !== value],
  [new RegExp(`^(${KEY})\\s+in\\s+\\(([^()]*)\\)$`), (key, values, labels) => split(values).includes(labels[key] ?? '\0')],
  [new RegExp(`^(${KEY})\\s+notin\\s+\\(([^()]*)\\)$`), (key, values, labels) => !split(values).includes(labels[key] ?? '\0')],
  [new RegExp(`^!\\s*(${KEY})$`), (key, _values, labels) => !Object.hasOwn(labels, key)],
  [new RegExp(`^(${KEY})$`), (key, _values, labels) => Object.hasOwn(labels, key)],
];

const split = (values: string): string[] => values.split(',').map((value) => value.trim());

/** A test of labels. Throws 400. */
export function labelSelector(text: string | null): (labels: Labels) => boolean {
  const tests = requirements(text ?? '').map((requirement) => {
    for (const [form, holds] of FORMS) {
      const [, key, values = ''] = form.exec(requirement) ?? [];
      if (key !== undefined) return (labels: Labels) => holds(key, values, labels);
    }
    throw new StatusError(400, `unable to parse requirement: ${requirement.slice(0, 100)}`);
  });
  return (labels) => tests.every((test) => test(labels));
}

/** Commas between requirements, not those within parentheses. */
function requirements(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** A test of fields; only the given ones are known. Throws 400. */
export function fieldSelector<T>(text: string | null, fields: Readonly<Record<string, (item: T) => string>>): (item: T) => boolean {
  const tests = requirements(text ?? '').map((requirement) => {
    const [, key = '', sign, value] = /^([\w.]+)\s*(==?|!=)\s*(.*)$/.exec(requirement) ?? [];
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (!field) throw new StatusError(400, `field label not supported: ${key || requirement.slice(0, 100)}`);
    return (item: T) => (field(item) === value) === (sign !== '!=');
  });
  return (item) => tests.every((test) => test(item));
}
