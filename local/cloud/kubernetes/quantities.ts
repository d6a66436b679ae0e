// Kubernetes quantities (`1500m`, `2Gi`) as numbers; one that cannot be read is an error, as the API server says it.

const FACTORS: Readonly<Record<string, number>> = {
  ...{ '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 },
};

/** Throws `TypeError` for what is no quantity. */
export function quantity(text: string): number {
  const [, number = '', suffix = ''] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(FACTORS, suffix) ? FACTORS[suffix] : undefined;
  if (number === '' || factor === undefined)
    throw new TypeError(`"${text}" is no quantity: expected a number with one of ${Object.keys(FACTORS).join(' ')}`);
  return Number(number) * factor;
}
