// PodDefaults of Kubeflow (`kubeflow.org/v1alpha1`): what is put into pods that carry their labels. Environment and projected
// service-account tokens are understood; anything else is refused (stricter than the service), because a step would miss it silently.
import { isRecord } from '../kit/body.ts';
import type { Cluster, PodDefaultRecord, TokenMount } from './cluster.ts';
import { StatusError } from './status.ts';

const KNOWN = new Set(['desc', 'selector', 'env', 'volumes', 'volumeMounts']);

/** Reads an object as it was sent. Throws 422. */
export function readPodDefault(namespace: string, body: unknown): PodDefaultRecord {
  const invalid = (why: string) => new StatusError(422, `PodDefault.kubeflow.org is invalid: ${why}`);
  if (!isRecord(body) || body['kind'] !== 'PodDefault' || body['apiVersion'] !== 'kubeflow.org/v1alpha1') {
    throw invalid('expected apiVersion kubeflow.org/v1alpha1 and kind PodDefault');
  }
  const { metadata, spec } = body;
  const name = isRecord(metadata) ? metadata['name'] : undefined;
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9.-]{0,252}$/.test(name)) throw invalid('metadata.name is required');
  if (!isRecord(spec)) throw invalid('spec is required');
  const unknown = Object.keys(spec).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) throw invalid(`the stand-in does not know spec.${unknown.join(', spec.')} (stricter than the service)`);
  const selector = isRecord(spec['selector']) ? spec['selector']['matchLabels'] : undefined;
  if (!isRecord(selector)) throw invalid('spec.selector.matchLabels is required');
  return {
    ...{ namespace, name, body },
    matchLabels: Object.fromEntries(Object.entries(selector).map(([key, value]) => [key, String(value)])),
    env: records(spec['env']).flatMap(({ name: key, value }) =>
      typeof key === 'string' && typeof value === 'string' ? [{ name: key, value }] : [],
    ),
    mounts: mountsOf(records(spec['volumes']), records(spec['volumeMounts']), invalid),
  };
}

function mountsOf(
  volumes: Record<string, unknown>[],
  mounts: Record<string, unknown>[],
  invalid: (why: string) => StatusError,
): TokenMount[] {
  return mounts.map(({ name, mountPath }) => {
    const volume = volumes.find((candidate) => candidate['name'] === name);
    if (typeof mountPath !== 'string' || !mountPath.startsWith('/')) throw invalid('a volume mount needs an absolute mountPath');
    const sources = isRecord(volume?.['projected']) ? records(volume['projected']['sources']) : [];
    if (sources.length === 0)
      throw invalid(`volume ${String(name)} is no projected one; the stand-in has no other (stricter than the service)`);
    const tokens = sources.map(({ serviceAccountToken: token }) => {
      if (!isRecord(token) || typeof token['path'] !== 'string' || typeof token['audience'] !== 'string')
        throw invalid('a source is not a serviceAccountToken');
      if (!/^[A-Za-z0-9][\w.-]*$/.test(token['path']))
        throw invalid('the path of a token is a plain file name here (stricter than the service)');
      return { path: token['path'], audience: token['audience'], expirationSeconds: Number(token['expirationSeconds'] ?? 3600) };
    });
    return { mountPath, tokens };
  });
}

const records = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isRecord) : []);

/** What pods with these labels get. */
export function defaultsFor(cluster: Cluster, namespace: string, labels: Readonly<Record<string, string>>): PodDefaultRecord[] {
  return [...cluster.podDefaults.values()].filter(
    (one) => one.namespace === namespace && Object.entries(one.matchLabels).every(([key, value]) => labels[key] === value),
  );
}
