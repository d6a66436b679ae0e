// Fleets: the processes behind endpoints, and the deployments that replace one fleet by another.
// Blue/green: the new fleet is healthy before the old one goes; when it does not get there, the old one stays (facts/sagemaker.md §0.1).
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { State } from '../kit/state.ts';
import { type Images, resolveImage } from './images.ts';
import { ModelDataError, type ReadObject } from './model-data.ts';
import { byName, type EndpointRecord, type LiveVariant, remove, type SageMakerDocument } from './records.ts';
import { type Replica, type ReplicaTimes, startReplica } from './replica.ts';

/** What the fleets need. */
export interface FleetsOptions {
  readonly state: State<SageMakerDocument>;
  readonly dataDir: string;
  readonly images: Images;
  readonly read: ReadObject;
  readonly times: ReplicaTimes;
  readonly now: () => number;
  readonly region: string;
  /** Whether a rolled-back update says why; the service may leave FailureReason empty (facts/sagemaker.md §0.1). */
  readonly rollbackReason: 'given' | 'empty';
}

/** How often a fleet that was in service is tried after a restart. */
const REVIVALS = 3;

type Fleet = ReadonlyMap<string, Replica>;

/** Deploys, replaces and stops fleets in the background; the records always say how far it is. */
export class Fleets {
  readonly #options: FleetsOptions;
  readonly #fleets = new Map<string, Fleet>();
  /** What is under way, one chain per endpoint: nothing overtakes. */
  readonly #work = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: FleetsOptions) {
    this.#options = options;
  }

  /** After a restart: what was in service is started again, what was under way goes on. */
  resume(): void {
    rmSync(join(this.#options.dataDir, 'fleets'), { recursive: true, force: true }); // unpacked models of processes that are gone
    for (const endpoint of [...this.#options.state.value.endpoints]) {
      this.#run(endpoint, async () => {
        if (endpoint.status === 'Deleting') return this.#finishDelete(endpoint);
        if (endpoint.variants.length > 0) await this.#revive(endpoint);
        if (endpoint.pending) await this.#deploy(endpoint);
        else if (endpoint.status === 'Updating') this.#settle(endpoint);
      });
    }
  }

  /** Carries out `endpoint.pending`, which the caller has recorded. */
  deploy(endpoint: EndpointRecord): void {
    this.#run(endpoint, () => this.#deploy(endpoint));
  }

  /** Ends a change that needs no new process (weights, counts). */
  settle(endpoint: EndpointRecord): void {
    this.#run(endpoint, async () => {
      await new Promise((resolve) => setTimeout(resolve, 20)); // long enough that a caller sees `Updating` first
      this.#settle(endpoint);
    });
  }

  /** Stops the processes and then forgets the endpoint. */
  delete(endpoint: EndpointRecord): void {
    this.#run(endpoint, () => this.#finishDelete(endpoint));
  }

  /** The replica of a variant; undefined when the endpoint has no fleet. */
  replica(endpoint: string, variant: string): Replica | undefined {
    return this.#fleets.get(endpoint.toLowerCase())?.get(variant);
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work.values());
  }

  /** Stops all processes; the records keep what should run, so that the next start brings it back. */
  async close(graceMs: number): Promise<void> {
    this.#closing.abort();
    await this.settled();
    await Promise.all([...this.#fleets.values()].flatMap((fleet) => [...fleet.values()].map((replica) => replica.stop(graceMs))));
    this.#fleets.clear();
  }

  #run(endpoint: EndpointRecord, work: () => Promise<void>): void {
    const key = endpoint.name.toLowerCase();
    const before = this.#work.get(key) ?? Promise.resolve();
    const promise = before
      .then(work)
      .catch((error: unknown) => {
        process.stderr.write(`sagemaker: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      })
      .finally(() => {
        if (this.#work.get(key) === promise) this.#work.delete(key);
      });
    this.#work.set(key, promise);
  }

  async #deploy(endpoint: EndpointRecord): Promise<void> {
    const { pending } = endpoint;
    if (!pending) return;
    const started = await this.#start(endpoint.name, pending.variants);
    if (this.#closing.signal.aborted) {
      if ('fleet' in started) await stopAll(started.fleet, this.#options.times.stopMs);
      return; // stays pending: the next start goes on
    }
    if ('reason' in started) this.#failed(endpoint, started.reason);
    else await this.#succeeded(endpoint, started.fleet);
  }

  #failed(endpoint: EndpointRecord, reason: string): void {
    const first = endpoint.status === 'Creating';
    this.#options.state.update(() => {
      endpoint.pending = undefined;
      endpoint.modifiedAt = this.#options.now();
      // A first deployment that fails leaves an endpoint that can only be deleted (§1.4); an update falls back to the old config (§0.1).
      endpoint.status = first ? 'Failed' : 'InService';
      endpoint.failureReason = first || this.#options.rollbackReason === 'given' ? reason : undefined;
    });
  }

  async #succeeded(endpoint: EndpointRecord, fleet: Fleet): Promise<void> {
    const key = endpoint.name.toLowerCase();
    const old = this.#fleets.get(key);
    this.#fleets.set(key, fleet);
    this.#options.state.update(() => {
      const { pending } = endpoint;
      if (!pending) return;
      endpoint.configName = pending.configName;
      endpoint.variants = [...pending.variants];
      endpoint.pending = undefined;
      endpoint.failureReason = undefined;
      endpoint.status = 'InService';
      endpoint.modifiedAt = this.#options.now();
    });
    if (old) await stopAll(old, this.#options.times.stopMs);
  }

  #settle(endpoint: EndpointRecord): void {
    this.#options.state.update(() => {
      for (const variant of endpoint.variants) {
        variant.weight = variant.desiredWeight;
        variant.count = variant.desiredCount;
      }
      endpoint.status = 'InService';
      endpoint.modifiedAt = this.#options.now();
    });
  }

  async #revive(endpoint: EndpointRecord): Promise<void> {
    for (let attempt = 1; attempt <= REVIVALS && !this.#closing.signal.aborted; attempt += 1) {
      const started = await this.#start(endpoint.name, endpoint.variants);
      if ('fleet' in started) {
        this.#fleets.set(endpoint.name.toLowerCase(), started.fleet);
        return;
      }
      process.stderr.write(
        `sagemaker: endpoint ${endpoint.name} could not be started again (${attempt} of ${REVIVALS}): ${started.reason}\n`,
      );
    }
  }

  async #finishDelete(endpoint: EndpointRecord): Promise<void> {
    const key = endpoint.name.toLowerCase();
    const fleet = this.#fleets.get(key);
    this.#fleets.delete(key);
    if (fleet) await stopAll(fleet, this.#options.times.stopMs);
    await rm(join(this.#options.dataDir, 'fleets', key), { recursive: true, force: true });
    this.#options.state.update((document) => {
      const record = byName(document.endpoints, endpoint.name);
      if (record) remove(document.endpoints, record);
    });
  }

  /** All variants or none. One process stands for all instances of a variant. */
  async #start(endpoint: string, variants: readonly LiveVariant[]): Promise<{ readonly fleet: Fleet } | { readonly reason: string }> {
    const key = endpoint.toLowerCase();
    const deployment = randomBytes(4).toString('hex');
    const results = await Promise.all(
      variants.map(async (variant) => {
        try {
          return { variant, replica: await this.#startOne(key, deployment, variant) };
        } catch (error) {
          return { variant, reason: failureReason(variant, error) };
        }
      }),
    );
    const fleet: Fleet = new Map(results.flatMap(({ variant, replica }) => (replica ? [[variant.spec.name, replica]] : [])));
    const reason = results.find((result) => result.reason !== undefined)?.reason;
    if (reason === undefined) return { fleet };
    await stopAll(fleet, this.#options.times.stopMs);
    return { reason };
  }

  async #startOne(key: string, deployment: string, variant: LiveVariant): Promise<Replica> {
    const { dataDir, images, read, times } = this.#options;
    const image = resolveImage(images, variant.model.image);
    if (!image) throw new ModelDataError(`Requested image ${variant.model.image} not found.`);
    const name = variant.spec.name;
    const folder = join(dataDir, 'fleets', key, `${name}-${deployment}`);
    const logFile = join(dataDir, 'logs', key, `${name}-${deployment}.log`);
    return startReplica({ image, model: variant.model, folder, logFile, read, times }, this.#closing.signal);
  }
}

function failureReason(variant: LiveVariant, error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  if (error instanceof ModelDataError) return why;
  return `The primary container for production variant ${variant.spec.name} did not pass the ping health check. Please check CloudWatch logs for this endpoint. (${why})`;
}

async function stopAll(fleet: Fleet, graceMs: number): Promise<void> {
  await Promise.all([...fleet.values()].map((replica) => replica.stop(graceMs)));
}
