// The data shapes that cross between a Functions host and its Node worker.
// Source: the worker's gRPC protocol as `@azure/functions` 4.16 reads it (facts/durable.md §2.5).

/** A value on the wire. Exactly one member is set; none means "no value" (undefined or null). */
export interface RpcTypedData {
  string?: string;
  json?: string;
  bytes?: Uint8Array;
  int?: number;
  double?: number;
  http?: RpcHttpData;
  collectionString?: { string: string[] };
  collectionBytes?: { bytes: Uint8Array[] };
}

/** An HTTP request (method, url …) or answer (statusCode, headers, cookies, body). */
export interface RpcHttpData {
  method?: string;
  url?: string;
  headers?: Record<string, string>;
  params?: Record<string, string>;
  query?: Record<string, string>;
  nullableHeaders?: Record<string, { value: string }>;
  nullableParams?: Record<string, { value: string }>;
  nullableQuery?: Record<string, { value: string }>;
  identities?: unknown[];
  body?: RpcTypedData | null;
  rawBody?: RpcTypedData | null;
  statusCode?: string;
  cookies?: unknown[];
  enableContentNegotiation?: boolean;
}

/** One named input or output value of an invocation. */
export interface ParameterBinding {
  name: string;
  data: RpcTypedData;
}

/** What a `retry` policy passes to the function: 0 = first attempt; -1 = no limit. */
export interface RpcRetryContext {
  retryCount: number;
  maxRetryCount: number;
  exception?: { message?: string; stackTrace?: string; source?: string };
}
