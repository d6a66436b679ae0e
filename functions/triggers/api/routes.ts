// Every route of the HTTP API with its handler. The composition root registers them; nothing is registered here.
import type { HttpHandler, HttpMethod } from '@azure/functions';
import { operations, type Operation, type OperationName } from '../../../shared/contracts/http-api.ts';
import type { ApiDeps, ApiHandler, Handlers } from './call.ts';
import { atEdge } from './edge.ts';
import { erasureHandlers } from './erasure.ts';
import { eventHandlers } from './events.ts';
import { extractionHandlers } from './extraction.ts';
import { guardHandlers } from './guards.ts';
import { modelHandlers } from './models.ts';
import { pipelineHandlers } from './pipelines.ts';
import { planHandlers } from './plan.ts';
import { platformHandlers } from './platform.ts';
import { promotionHandlers } from './promotions.ts';
import { quarantineHandlers } from './quarantine.ts';
import { runHandlers } from './runs.ts';
import { servingHandlers } from './serving.ts';
import { trainingHandlers } from './training.ts';
import { whyHandlers } from './why.ts';

export interface ApiRoute {
  /** Name of the function: `api-put-pipeline`. */
  name: string;
  method: HttpMethod;
  /** Below the host's route prefix (`api`): `v1/pipelines/{name}`. */
  route: string;
  role: Operation['access'];
  /** Needs the durable client as an extra input. */
  durable: boolean;
  handler: HttpHandler;
  operation: Operation;
}

/** The routes over the given parts of the product. Authentication is in the handlers, so the host's own level is `anonymous`. */
export function apiRoutes(deps: ApiDeps): ApiRoute[] {
  const handlers: Handlers<OperationName> = {
    ...pipelineHandlers(deps),
    ...eventHandlers(deps),
    ...guardHandlers(deps),
    ...extractionHandlers(deps),
    ...quarantineHandlers(deps),
    ...erasureHandlers(deps),
    ...whyHandlers(deps),
    ...planHandlers(deps),
    ...runHandlers(deps),
    ...trainingHandlers(deps),
    ...modelHandlers(deps),
    ...promotionHandlers(deps),
    ...servingHandlers(deps),
    ...platformHandlers(deps),
  };
  return (Object.keys(operations) as OperationName[]).map((key) => {
    const operation: Operation = operations[key];
    return {
      name: `api-${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      method: operation.method,
      route: `v1/${operation.path}`,
      role: operation.access,
      durable: operation.durable,
      // The map above pairs every operation with the handler of its own types.
      handler: atEdge(operation, handlers[key] as ApiHandler<Operation>, deps),
      operation,
    };
  });
}
