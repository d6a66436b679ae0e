// Sorts an app's functions by trigger and checks every binding before anything starts: what this host cannot serve is named at once.
import type { FunctionApp, RegisteredBinding, RegisteredFunction } from '../core/function-app.ts';
import type { AppSettings } from '../config/setting-names.ts';
import { HostStartError } from '../config/start-error.ts';

/** A function, its trigger, and its other bindings by kind. */
export interface PlannedFunction {
  readonly registered: RegisteredFunction;
  readonly trigger: RegisteredBinding;
  readonly clientInputs: readonly RegisteredBinding[];
  readonly queueOutputs: readonly RegisteredBinding[];
}

/** Functions by trigger. Disabled ones are only in `disabled`. */
export interface Plan {
  readonly http: readonly PlannedFunction[];
  readonly queue: readonly PlannedFunction[];
  readonly timer: readonly PlannedFunction[];
  /** Orchestrators, entities and activities: the engine's. */
  readonly durable: readonly PlannedFunction[];
  readonly disabled: ReadonlySet<string>;
  /** Every enabled function by name. */
  readonly byName: ReadonlyMap<string, PlannedFunction>;
}

const TRIGGERS = { httptrigger: 'http', queuetrigger: 'queue', timertrigger: 'timer' } as const;
const DURABLE_TRIGGERS = new Set(['orchestrationtrigger', 'entitytrigger', 'activitytrigger']);
const CLIENT_INPUTS = new Set(['durableclient', 'orchestrationclient']);
const KNOWN =
  'httpTrigger, queueTrigger, timerTrigger, orchestrationTrigger, entityTrigger, activityTrigger; inputs: durableClient; outputs: http, queue';

/** Sorts and checks. Throws `HostStartError` (kind `app`) that lists every function and binding type this host cannot serve. */
export function planFunctions(app: FunctionApp, settings: AppSettings): Plan {
  const found = {
    http: [] as PlannedFunction[],
    queue: [] as PlannedFunction[],
    timer: [] as PlannedFunction[],
    durable: [] as PlannedFunction[],
  };
  const disabled = new Set<string>();
  const byName = new Map<string, PlannedFunction>();
  const problems: string[] = [];
  for (const registered of app.functions.values()) {
    const trigger = registered.bindings.find((binding) => binding.type.toLowerCase().endsWith('trigger'));
    if (!trigger) {
      problems.push(`function "${registered.name}" has no trigger`);
      continue;
    }
    const others = registered.bindings.filter((binding) => binding !== trigger);
    const clientInputs = others.filter((binding) => binding.direction === 'in' && CLIENT_INPUTS.has(binding.type.toLowerCase()));
    const queueOutputs = others.filter((binding) => binding.direction === 'out' && binding.type.toLowerCase() === 'queue');
    const httpOutputs = others.filter((binding) => binding.direction === 'out' && binding.type.toLowerCase() === 'http');
    const served = new Set([...clientInputs, ...queueOutputs, ...httpOutputs]);
    for (const binding of others) {
      if (!served.has(binding))
        problems.push(`function "${registered.name}" has the ${binding.direction}put binding "${binding.name}" of type "${binding.type}"`);
    }
    const kind = kindOf(trigger.type);
    if (!kind) problems.push(`function "${registered.name}" has a trigger of type "${trigger.type}"`);
    if (isDisabled(registered.name, settings)) disabled.add(registered.name);
    else if (kind) {
      const planned = { registered, trigger, clientInputs, queueOutputs };
      found[kind].push(planned);
      byName.set(registered.name, planned);
    }
  }
  if (problems.length > 0) {
    throw new HostStartError('app', `This host cannot serve: ${problems.join('; ')}. It knows the triggers ${KNOWN}.`);
  }
  return { ...found, disabled, byName };
}

function kindOf(type: string): 'http' | 'queue' | 'timer' | 'durable' | undefined {
  const lower = type.toLowerCase();
  if (DURABLE_TRIGGERS.has(lower)) return 'durable';
  return Object.hasOwn(TRIGGERS, lower) ? TRIGGERS[lower as keyof typeof TRIGGERS] : undefined;
}

/** App setting `AzureWebJobs.<function>.Disabled` (or with underscores, as shells need it). */
function isDisabled(name: string, settings: AppSettings): boolean {
  const value = settings[`AzureWebJobs.${name}.Disabled`] ?? settings[`AzureWebJobs_${name}_Disabled`] ?? '';
  return /^(?:true|1)$/i.test(value);
}
