// Azure SDK clients against a stand-in on this machine: they refuse to send a token over plain http, which is right everywhere else.
// The client is given the https form of the address, and the last policy before the wire takes the s away, for loopback only.
import { ConfigError } from '../errors/errors.ts';

/** The part of a pipeline policy of @azure/core-rest-pipeline that is used here. */
interface Sendable {
  url: string;
  allowInsecureConnection?: boolean;
}

export interface InsecurePolicy {
  name: string;
  sendRequest<Request extends Sendable, Response>(request: Request, next: (request: Request) => Promise<Response>): Promise<Response>;
}

/** How a client is to be made for an endpoint. `policies` go into `additionalPolicies`. */
export interface Reach {
  /** What the SDK is told; always https. */
  endpoint: string;
  policies: { policy: InsecurePolicy; position: 'perRetry' }[];
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** https stays as it is; http is taken for loopback when `allowInsecureLoopback`, else it is a ConfigError. */
export function reach(what: string, endpoint: string, allowInsecureLoopback: boolean): Reach {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch (error) {
    throw new ConfigError([`${what}: "${endpoint}" is not an address`], { cause: error });
  }
  const plain = endpoint.replace(/\/+$/, '');
  if (url.protocol === 'https:') return { endpoint: plain, policies: [] };
  if (url.protocol !== 'http:' || !LOOPBACK.test(url.hostname)) {
    throw new ConfigError([`${what}: ${url.origin} must be https; http is taken for this machine only`]);
  }
  if (!allowInsecureLoopback) throw new ConfigError([`${what}: ${url.origin} is http; that is taken in local use only`]);
  const host = url.host;
  const policy: InsecurePolicy = {
    name: 'sluicePlainLoopback',
    sendRequest(request, next) {
      const target = new URL(request.url);
      if (target.protocol === 'https:' && target.host === host) {
        request.url = `http:${request.url.slice('https:'.length)}`;
        request.allowInsecureConnection = true;
      }
      return next(request);
    },
  };
  return { endpoint: plain.replace(/^http:/, 'https:'), policies: [{ policy, position: 'perRetry' }] };
}
