// Images of steps on this machine: the chosen Python goes into every one that does not name its own.
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { CloudConfig } from './config.ts';
import type { ImageMapping } from './kubeflow/options.ts';

/** Puts the chosen Python into every step image that does not name its own. */
export function withPython({ python }: CloudConfig, images: CloudConfig['kubeflow']['images']): Record<string, ImageMapping> {
  return Object.fromEntries(
    Object.entries(images).map(([name, image]): [string, ImageMapping] => [
      name,
      {
        ...(image.command ? { command: image.command } : {}),
        ...(image.cwd === undefined ? {} : { cwd: image.cwd }),
        programs: { ...(python ? { python: python.command, python3: python.command } : {}), ...image.programs },
        // Steps have a home of their own; packages that the user installed for this Python are still to be found.
        env: { ...(python ? { PYTHONUSERBASE: join(homedir(), '.local') } : {}), ...python?.env, ...image.env },
      },
    ]),
  );
}
