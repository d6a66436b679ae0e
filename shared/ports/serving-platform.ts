// Where models are served, and the bucket that the platform loads them from.
import type { InputRow } from '../contracts/rows.ts';
import type { EndpointState, Prediction, ServingRequest } from '../contracts/serving.ts';

export interface EndpointPlace {
  region: string;
  endpoint: string;
}

export interface ServingPlatform {
  readonly platform: 'sagemaker';
  /** Creates model and endpoint configuration by content-derived names; an equal one that exists is taken, a different one is `name-conflict`. */
  stage(request: ServingRequest): Promise<{ modelName: string; configName: string }>;
  /** Creates or updates the endpoint. `unchanged` when it serves the configuration already or is on the way to it. Busy with another: TransientError `endpoint-busy`. */
  apply(place: EndpointPlace, configName: string, tags: Record<string, string>): Promise<'created' | 'updated' | 'unchanged'>;
  read(place: EndpointPlace): Promise<EndpointState>;
  /** Back to `configName`; null = the endpoint was not there before: delete it. */
  restore(place: EndpointPlace, configName: string | null): Promise<'restored' | 'deleted' | 'unchanged'>;
  /** Rows in, one prediction per row out: a class or a number, as the model has it. Timeout 70 s. */
  invoke(place: EndpointPlace, rows: readonly InputRow[]): Promise<Prediction[]>;
  probe(region: string): Promise<{ identity: string }>;
}

/** The bucket of published models: `models/<modelDigest>/model.tar.gz`. */
export interface ArtifactStore {
  /** Digest and size of an object as the service computed them; null when absent. */
  head(place: { region: string; bucket: string; key: string }): Promise<{ sha256: string | null; bytes: number } | null>;
  /** One PUT of exactly this content, signed headers included. The URL carries a signature: never log it. */
  presignPut(request: {
    region: string;
    bucket: string;
    key: string;
    sha256: string;
    bytes: number;
    expiresSeconds: number;
  }): Promise<{ url: string; headers: Record<string, string> }>;
}
