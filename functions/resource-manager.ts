// Azure Resource Manager for everything that asks it: one client per subscription, and one budget of calls that all instances draw from.
import type { Arm } from '../shared/clients/arm.ts';
import type { Entra } from '../shared/clients/entra.ts';
import type { Tables } from '../shared/adapters/tables/open-tables.ts';
import type { Config } from '../shared/config/config.ts';
import { once } from './lazy.ts';

export type ResourceManager = (place: { armEndpoint: string; subscriptionId: string }) => Promise<Arm>;

/** The service meters by subscription and identity (facts/azure.md §1.5), so that is what a bucket in the table is of. */
export function createResourceManager(
  identity: Config['identity'],
  entra: () => Promise<Entra>,
  rates: () => Promise<Tables['rates']>,
): ResourceManager {
  const clients = new Map<string, () => Promise<Arm>>();
  return ({ armEndpoint, subscriptionId }) => {
    const key = `${armEndpoint} ${subscriptionId}`;
    const known = clients.get(key);
    if (known) return known();
    const open = once(async () => {
      const [{ createArm }, { createTableRateBudget }, { credential }, table] = await Promise.all([
        import('../shared/clients/arm.ts'),
        import('../shared/adapters/tables/rate-budget.ts'),
        entra(),
        rates(),
      ]);
      const budget = createTableRateBudget({ table, budget: `arm-${subscriptionId}-${identity.clientId ?? 'own'}`, now: Date.now });
      return createArm({ credential, endpoint: armEndpoint, subscriptionId, allowInsecureLoopback: true, budget });
    });
    clients.set(key, open);
    return open();
  };
}
