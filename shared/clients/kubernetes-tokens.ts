// Bearer tokens of Kubernetes: of a service account by TokenRequest (facts/kubeflow.md §1 Auth), or from a file that a projected volume keeps fresh.
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { RejectedError, TransientError } from '../errors/errors.ts';
import { whyUnreachable } from './answers.ts';
import type { Kubernetes } from './kubernetes.ts';

const TokenAnswer = z.object({ status: z.object({ token: z.string().min(1), expirationTimestamp: z.string() }) });

/** Tokens of a service account for one audience, by TokenRequest; kept until four fifths of their life are over, one request at a time. */
export function createServiceAccountTokens(
  kubernetes: Kubernetes,
  account: { namespace: string; name: string; audience: string },
  now: () => number,
): () => Promise<string> {
  let current: { token: string; refreshAt: number } | undefined;
  let asking: Promise<{ token: string; refreshAt: number }> | undefined;

  async function ask(): Promise<{ token: string; refreshAt: number }> {
    const path = `/api/v1/namespaces/${encodeURIComponent(account.namespace)}/serviceaccounts/${encodeURIComponent(account.name)}/token`;
    const spec = { audiences: [account.audience], expirationSeconds: 3600 };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const asked = now();
    const answer = await kubernetes.call({ method: 'POST', path, body, accept: [404] }, TokenAnswer);
    if (!answer) {
      throw new RejectedError(
        'kubernetes-refused',
        `There is no service account "${account.name}" in namespace "${account.namespace}" of ${kubernetes.server}; apply the target's manifests.`,
      );
    }
    const expires = Date.parse(answer.status.expirationTimestamp);
    const life = Number.isFinite(expires) ? Math.max(0, expires - asked) : 0;
    return { token: answer.status.token, refreshAt: asked + life * 0.8 };
  }

  return async () => {
    if (current && now() < current.refreshAt) return current.token;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    current = await asking;
    return current.token;
  };
}

/** A token that something else keeps fresh in a file (a projected volume); read anew for each call. */
export function createFileToken(path: string): () => Promise<string> {
  return async () => {
    try {
      const token = (await readFile(path, 'utf8')).trim();
      if (token !== '') return token;
    } catch (error) {
      throw new TransientError('kubernetes-unreachable', `The token file ${path} cannot be read: ${whyUnreachable(error, 0)}.`, {
        cause: error,
      });
    }
    throw new TransientError(
      'kubernetes-unreachable',
      `The token file ${path} is empty; it is being renewed, or its volume is not mounted.`,
    );
  };
}
