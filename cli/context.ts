// What every command is given: output, where Sluice is, and how to get in.
import { join } from 'node:path';
import { readStackFile, type StackFile } from '../local/stack/stack-file.ts';
import { createApi, type Api } from './api.ts';
import { CommandError, EXIT } from './failure.ts';
import type { Output } from './output.ts';

export interface Context {
  output: Output;
  environment: NodeJS.ProcessEnv;
  /** Folder of this Sluice installation (where package.json is). */
  root: string;
  /** Folder that a local stack keeps its data in. */
  dataDir: string;
  /** The running local stack, if there is one. */
  stack(): Promise<StackFile | null>;
  /** The HTTP API: `--api` and SLUICE_TOKEN, or the local stack's. */
  api(): Promise<Api>;
}

export function createContext(options: {
  output: Output;
  environment: NodeJS.ProcessEnv;
  root: string;
  dataDir?: string | undefined;
  api?: string | undefined;
}): Context {
  const { output, environment, root } = options;
  const dataDir = options.dataDir ?? environment['SLUICE_DATA_DIR'] ?? join(root, '.sluice');
  const stack = (): Promise<StackFile | null> => readStackFile(dataDir);
  return {
    output,
    environment,
    root,
    dataDir,
    stack,
    api: async () => {
      const address = options.api ?? environment['SLUICE_API'];
      const given = environment['SLUICE_TOKEN'];
      if (address) {
        if (!given)
          throw new CommandError(
            EXIT.forbidden,
            `No token for ${address}`,
            'set SLUICE_TOKEN, for example to the output of: az account get-access-token --resource api://sluice --query accessToken -o tsv',
          );
        return createApi(address, () => Promise.resolve(given));
      }
      const local = await stack();
      if (!local)
        throw new CommandError(
          EXIT.unreachable,
          'No Sluice is running here',
          'start one with: npm start   (or name one: --api URL with SLUICE_TOKEN set)',
        );
      return createApi(local.api, () => (given ? Promise.resolve(given) : localToken(local)));
    },
  };
}

/** A token for the person at this machine, from the local issuer. */
async function localToken({ token }: StackFile): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: token.clientId,
    client_secret: token.clientSecret,
    scope: token.scope,
  });
  const response = await fetch(token.url, { method: 'POST', body: form, signal: AbortSignal.timeout(10_000) }).catch((cause: unknown) => {
    throw new CommandError(
      EXIT.unreachable,
      `The local token issuer does not answer: ${cause instanceof Error ? cause.message : 'no reason'}`,
      'is npm start still running?',
    );
  });
  const body = (await response.json()) as { access_token?: string; error_description?: string };
  if (!body.access_token)
    throw new CommandError(EXIT.forbidden, `The local issuer gave no token: ${body.error_description ?? response.status}`);
  return body.access_token;
}
