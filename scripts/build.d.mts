import type { BuildOptions, Metafile } from 'esbuild';

export const bundleOptions: BuildOptions;
export function buildApp(options?: { clean?: boolean }): Promise<Metafile>;
