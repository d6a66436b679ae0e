// A search space in Azure ML's array encoding, and the text of `params` with its places, so that each trial gets JSON of the right types. Pure.
// `["choice",[[…]]]`, `["uniform",[a,b]]`, `["loguniform",[ln a,ln b]]` (facts/azure.md §1.4).
import type { SearchSpace } from '../../contracts/training.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { Trial } from '../../ports/sweep-backend.ts';

type Dimension = SearchSpace[string];

/** Numbers go in as they are, plain words between quotes; everything else (booleans, mixed lists, odd texts) as its JSON. */
type Manner = 'number' | 'word' | 'json';

function mannerOf(dimension: Dimension): Manner {
  if (!('choice' in dimension)) return 'number';
  if (dimension.choice.every((value) => typeof value === 'number')) return 'number';
  return dimension.choice.every((value) => typeof value === 'string' && /^[A-Za-z_][A-Za-z0-9_.+-]*$/.test(value)) ? 'word' : 'json';
}

export function encodeSpace(space: SearchSpace): Record<string, unknown> {
  const entries = Object.entries(space);
  if (entries.length === 0) throw new RejectedError('backend-refused', 'The search space is empty: name at least one parameter to search.');
  return Object.fromEntries(
    entries.map(([name, dimension]): [string, unknown] => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        throw new RejectedError('backend-refused', `"${name}" cannot be searched: a name has letters, digits and underscores.`);
      }
      if ('choice' in dimension) {
        const values = mannerOf(dimension) === 'json' ? dimension.choice.map((value) => JSON.stringify(value)) : dimension.choice;
        return [name, ['choice', [values]]];
      }
      const bounds = 'uniform' in dimension ? dimension.uniform : dimension.logUniform;
      if (bounds[0] > bounds[1])
        throw new RejectedError('backend-refused', `The bounds of "${name}" are the wrong way round: ${bounds.join(', ')}.`);
      return 'uniform' in dimension ? [name, ['uniform', [...bounds]]] : [name, ['loguniform', bounds.map((bound) => Math.log(bound))]];
    }),
  );
}

/** `params` (JSON text of an object) with a place for each searched entry. */
export function paramsTemplate(params: string, space: SearchSpace): string {
  let fixed: unknown;
  try {
    fixed = JSON.parse(params);
  } catch (error) {
    throw new RejectedError('backend-refused', 'The parameter "params" of the job is not JSON, so no trial can be made of it.', {
      cause: error,
    });
  }
  if (typeof fixed !== 'object' || fixed === null || Array.isArray(fixed)) {
    throw new RejectedError('backend-refused', 'The parameter "params" of the job is not a JSON object, so no trial can be made of it.');
  }
  if (/\$\{\{|\$\[\[/.test(params)) {
    throw new RejectedError(
      'backend-refused',
      'The parameter "params" of the job holds ${{ or $[[, which Azure ML would take for its own.',
    );
  }
  const kept = Object.entries(fixed)
    .filter(([name]) => !Object.hasOwn(space, name))
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const searched = Object.entries(space).map(([name, dimension]) => {
    const place = `\${{search_space.${name}}}`;
    return `${JSON.stringify(name)}:${mannerOf(dimension) === 'word' ? `"${place}"` : place}`;
  });
  return `{${[...kept, ...searched].join(',')}}`;
}

/** The values of a trial as the service tells them (JSON text of an object), in the types of the space; unknown names are left out. */
export function decodeTrial(hyperparameters: string | null, space: SearchSpace): Trial['params'] {
  const told: unknown = parse(hyperparameters ?? '');
  if (typeof told !== 'object' || told === null) return {};
  const values: Trial['params'] = {};
  for (const [name, value] of Object.entries(told as Record<string, unknown>)) {
    const dimension = Object.hasOwn(space, name) ? space[name] : undefined;
    if (!dimension) continue;
    const decoded = mannerOf(dimension) === 'json' && typeof value === 'string' ? parse(value) : value;
    const number = mannerOf(dimension) === 'number' && typeof decoded === 'string' ? Number(decoded) : decoded;
    if (typeof number === 'string' || typeof number === 'boolean' || (typeof number === 'number' && Number.isFinite(number)))
      values[name] = number;
  }
  return values;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
