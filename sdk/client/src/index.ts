// The client: createBusinessApi, its parts, its errors and its types.

import { Agents, Approvals, Events, Functions, Secrets } from './others.js';
import { Schedules } from './schedules.js';
import type { BusinessApiOptions } from './transport.js';
import { Transport } from './transport.js';
import { Webhooks } from './webhooks.js';
import { Workflows } from './workflows.js';

/** Everything that the server does, by subject. */
export interface BusinessApi {
  readonly workflows: Workflows;
  readonly functions: Functions;
  readonly events: Events;
  readonly agents: Agents;
  readonly approvals: Approvals;
  readonly secrets: Secrets;
  readonly schedules: Schedules;
  readonly webhooks: Webhooks;
}

/** A client of one server, with one key. */
export function createBusinessApi(options: BusinessApiOptions = {}): BusinessApi {
  const transport = new Transport(options);
  return {
    workflows: new Workflows(transport),
    functions: new Functions(transport),
    events: new Events(transport),
    agents: new Agents(transport),
    approvals: new Approvals(transport),
    secrets: new Secrets(transport),
    schedules: new Schedules(transport),
    webhooks: new Webhooks(transport),
  };
}

export { ApiError, ConnectionError, TimeoutError, ValidationError } from './errors.js';
export type { FollowOptions, WaitOptions } from './follow.js';
export type {
  Agents,
  ApprovalFilter,
  Approvals,
  EventFilter,
  Events,
  Functions,
  Secrets,
  UploadOptions,
} from './others.js';
export type { BackfillRequest, ScheduleFilter, Schedules } from './schedules.js';
export type { BusinessApiOptions, CallOptions } from './transport.js';
export type * from './types.js';
export type { DeliveryFilter, Webhooks } from './webhooks.js';
export type { ChangeOptions, ExecutionFilter, Part, RerunRequest, TriggerOptions, Workflows } from './workflows.js';
