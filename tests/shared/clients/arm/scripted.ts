// A small HTTP server that answers as a script says, a credential with a readable identity, and a clock that sleeping moves: for the ARM client and its adapters.
import { type CloudServer, type Handler, serve } from '../../../../local/cloud/kit/server.ts';
import { type Arm, type ArmSettings, createArm } from '../../../../shared/clients/arm.ts';

export const SUBSCRIPTION = '11111111-2222-4333-8444-555555555555';
export const OBJECT_ID = 'aaaaaaaa-0000-4000-8000-00000000000a';
const claims = Buffer.from(JSON.stringify({ oid: OBJECT_ID, appid: 'the-app' })).toString('base64url');
export const TOKEN = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${claims}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg`;

export interface Seen {
  method: string;
  path: string;
  query: Record<string, string>;
  body: unknown;
  authorization: string | null;
}

export interface Scripted {
  url: string;
  seen: Seen[];
  arm: Arm;
  /** Milliseconds that were slept, one entry per sleep. */
  slept: number[];
  scopes: string[];
  close(): Promise<void>;
}

export type Script = (seen: Seen, number: number) => Response | Promise<Response>;

export const answer = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });

export const refusal = (status: number, code: string, message: string, headers: Record<string, string> = {}): Response =>
  answer({ error: { code, message } }, status, headers);

/** Starts the server; `more` changes the client. Time stands still but for sleeping. */
export async function scripted(script: Script, more: Partial<ArmSettings> = {}): Promise<Scripted> {
  const seen: Seen[] = [];
  const slept: number[] = [];
  const scopes: string[] = [];
  let time = Date.parse('2026-11-22T12:00:00Z');
  const handler: Handler = async (request) => {
    const url = new URL(request.url);
    const text = await request.text();
    const one: Seen = {
      method: request.method,
      path: decodeURIComponent(url.pathname),
      query: Object.fromEntries(url.searchParams),
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
      authorization: request.headers.get('authorization'),
    };
    seen.push(one);
    return script(one, seen.length);
  };
  const server: CloudServer = await serve(handler);
  const arm = createArm({
    credential: {
      getToken: async (scope) => {
        scopes.push(String(scope));
        return { token: TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 };
      },
    },
    endpoint: server.url,
    subscriptionId: SUBSCRIPTION,
    allowInsecureLoopback: true,
    now: () => time,
    sleep: async (ms) => {
      slept.push(ms);
      time += ms;
    },
    ...more,
  });
  return { url: server.url, seen, arm, slept, scopes, close: () => server.close() };
}
