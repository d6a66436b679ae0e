// The CDK app: reads the settings file and makes one stack. Run by `cdk` in this folder (cdk.json).
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, type AppProps } from 'aws-cdk-lib';
import { parseSettings } from './settings.ts';
import { SluiceStack } from './sluice-stack.ts';

/** The app for a settings file; nothing is written before `synth()`. */
export function createApp(file: string, props: AppProps = {}): { app: App; stack: SluiceStack } {
  const settings = parseSettings(readJson(file), file);
  const app = new App({ analyticsReporting: false, ...props });
  const stack = new SluiceStack(app, settings.name, settings);
  return { app, stack };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON. Copy infra/aws/settings.example.json and put your own values in`, { cause: error });
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // The CLI hands context over by environment; a first App reads it.
  const given: unknown = new App({ analyticsReporting: false }).node.tryGetContext('settings');
  const file = typeof given === 'string' ? resolve(given) : join(import.meta.dirname, 'settings.json');
  createApp(file).app.synth();
}
