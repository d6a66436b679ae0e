import type { BuildOptions, Metafile } from 'esbuild';

export const bundleOptions: BuildOptions;
export function buildApp(): Promise<Metafile>;
