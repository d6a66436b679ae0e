import type { Linter } from 'eslint';

export const replaySafe: Linter.RulesRecord;
declare const config: Linter.Config[];
export default config;
