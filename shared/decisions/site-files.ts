// Files that stay where they are: how a job names them, and what keeps a backend from reading them.
import { isBeside } from '../contracts/pipeline/residence.ts';
import type { BackendName } from '../contracts/pipeline/train.ts';

/** Whether a file of a job is an address for who stands beside it, and not a path of the store. */
export function isAddress(path: string): boolean {
  return path.includes('://');
}

/** Plain and different names for the files of these addresses, in their order; each is the last part of its address where that is free. */
export function namesOf(addresses: readonly string[]): string[] {
  const taken = new Set<string>();
  return addresses.map((address, index) => {
    const last = address.slice(address.lastIndexOf('/') + 1).replace(/[^A-Za-z0-9._=+-]/g, '_');
    const plain = /^[A-Za-z0-9_]/.test(last) ? last.slice(0, 100) : `file${last.slice(0, 90)}`;
    const name = taken.has(plain.toLowerCase()) ? `${index + 1}-${plain}` : plain;
    taken.add(name.toLowerCase());
    return name;
  });
}

/** What the place of the data says about a backend, before anybody asks it; null when it may train. */
export function siteProblem(data: 'lake' | 'on-premises', backend: BackendName): string | null {
  return data === 'lake' || isBeside(backend) ? null : 'the rows stay on the premises, and it is not beside them';
}
