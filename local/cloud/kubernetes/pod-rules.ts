// What the API server checks of a pod before anything else: labels, names and amounts of its resources, the name of its runtime class.
// In its words, so that a pipeline which asks for the impossible fails here as it does on a cluster.
import type { PodSpec } from './cluster.ts';
import { quantity } from './quantities.ts';

const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const LABEL_KEY = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const STANDARD = /^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i)$/;
const QUALIFIED = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** Why the pod is refused; undefined when it is not. */
export function podProblem(spec: Pick<PodSpec, 'name' | 'labels' | 'nodeSelector' | 'requests' | 'limits' | 'runtimeClassName'>) {
  const [problem] = [...labelProblems(spec), ...resourceProblems(spec), ...runtimeProblems(spec)];
  return problem === undefined ? undefined : `Pod "${spec.name}" is invalid: ${problem}`;
}

function labelProblems({ labels, nodeSelector }: Pick<PodSpec, 'labels' | 'nodeSelector'>): string[] {
  const all = [
    ...Object.entries(labels).map((one) => ['metadata.labels', ...one]),
    ...Object.entries(nodeSelector).map((one) => ['spec.nodeSelector', ...one]),
  ];
  return all.flatMap(([field = '', key = '', value = '']) => {
    if (!LABEL_KEY.test(key))
      return [`${field}: Invalid value: "${key}": name part must consist of alphanumeric characters, '-', '_' or '.'`];
    if (!LABEL_VALUE.test(value))
      return [
        `${field}: Invalid value: "${value}": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'`,
      ];
    return [];
  });
}

/** Extended resources have a domain and whole amounts, and are not overcommitted: what is requested is the limit. */
function resourceProblems({ requests, limits }: Pick<PodSpec, 'requests' | 'limits'>): string[] {
  return (['limits', 'requests'] as const).flatMap((kind) =>
    Object.entries(kind === 'limits' ? limits : requests).flatMap(([name, amount]) => {
      const field = `spec.containers[0].resources.${kind}[${name}]`;
      if (!STANDARD.test(name) && !QUALIFIED.test(name))
        return [`${field}: Invalid value: "${name}": must be a standard resource type or fully qualified`];
      const value = quantityOr(amount);
      if (value === null) return [`${field}: Invalid value: "${amount}": quantities must match the regular expression of a quantity`];
      if (STANDARD.test(name)) return [];
      if (!Number.isInteger(value)) return [`${field}: Invalid value: "${amount}": must be an integer`];
      const limit = limits[name];
      return kind === 'requests' && quantityOr(limit ?? '') !== value
        ? [`${field}: Invalid value: "${amount}": must be equal to ${name} limit`]
        : [];
    }),
  );
}

function runtimeProblems({ runtimeClassName: name }: Pick<PodSpec, 'runtimeClassName'>): string[] {
  if (name === undefined || SUBDOMAIN.test(name)) return [];
  return [
    `spec.runtimeClassName: Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'`,
  ];
}

function quantityOr(text: string): number | null {
  try {
    return quantity(text);
  } catch {
    return null;
  }
}
