// Port VitalsStore in memory, under the same rules as the one in tables.
import type { PipelineVitals, Reconciling, Retaining, Watch } from '../../contracts/vitals.ts';
import type { VitalsStore } from '../../ports/vitals.ts';
import { createKept } from './kept.ts';

export function createMemoryVitals(): VitalsStore {
  const pipelines = createKept<PipelineVitals>();
  const watches = createKept<Watch>();
  const passes = createKept<Reconciling>();
  const removals = createKept<Retaining>();
  return {
    list: async () => pipelines.all().sort((a, b) => (a.pipeline < b.pipeline ? -1 : 1)),
    async update(pipeline, change) {
      const before = pipelines.get(pipeline);
      const after = change(before);
      if (after !== before) pipelines.set(pipeline, after);
      return structuredClone(after);
    },
    watch: async () => watches.get('watch'),
    setWatch: async (watch) => watches.set('watch', watch),
    reconciling: async () => passes.get('reconciling'),
    setReconciling: async (reconciling) => passes.set('reconciling', reconciling),
    retaining: async () => removals.get('retaining'),
    setRetaining: async (retaining) => removals.set('retaining', retaining),
  };
}
