// Workflows and their executions.

import type { FollowOptions, WaitOptions } from './follow.js';
import { follow, waitFor } from './follow.js';
import type { Call, CallOptions, Transport } from './transport.js';
import { id, object, unique } from './transport.js';
import type { BusinessWorkflow, Execution, ExecutionEnd, ExecutionEvent, LogLine, Page } from './types.js';
import type { StoredWorkflow, Validation, WorkflowDefinition } from './types.js';

/** Of `trigger`. */
export interface TriggerOptions extends CallOptions {
  /** The same key with the same input starts one execution only. The client makes one for each call, so that it can repeat it. */
  idempotencyKey?: string | undefined;
}

/** Of changes. */
export interface ChangeOptions extends CallOptions {
  /** Only if this is still the revision or version; otherwise ApiError 412. */
  ifMatch?: number | undefined;
}

/** Which executions are listed. */
export interface ExecutionFilter {
  workflow?: string;
  status?: string | readonly string[];
  since?: string | Date;
  cursor?: string;
  limit?: number;
}

/** A part of a list. */
export interface Part {
  cursor?: string | undefined;
  limit?: number | undefined;
}

/** Of `rerun`. */
export interface RerunRequest {
  fromStep?: string;
  input?: any;
  revision?: 'pinned' | 'latest';
}

export class Workflows {
  constructor(private readonly transport: Transport) {}

  /** Starts an execution. */
  async trigger(workflowId: string, input?: any, options: TriggerOptions = {}): Promise<{ executionId: string }> {
    const { idempotencyKey = unique(), headers, ...call } = options;
    return this.transport.call({
      method: 'POST',
      path: ['workflows', 'trigger'],
      body: { workflowId: id('workflowId', workflowId), input },
      headers: { ...headers, 'idempotency-key': idempotencyKey },
      repeatable: true,
      ...call,
    });
  }

  /** An execution as it is now. */
  async status(executionId: string, options: CallOptions = {}): Promise<Execution> {
    return this.transport.call({ method: 'GET', path: execution(executionId), ...options });
  }

  /** The execution as soon as it has ended: look at its `status`. Throws TimeoutError if that takes longer than `timeout`. */
  async waitFor(executionId: string, options: WaitOptions = {}): Promise<Execution> {
    return waitFor(this.transport, id('executionId', executionId), options);
  }

  /**
   * What happens in an execution, from its beginning or from behind `lastEventId`, as it happens; ends when the execution does. A broken
   * connection is made again, and nothing is missed or given twice.
   */
  events(executionId: string, options: FollowOptions = {}): AsyncGenerator<ExecutionEvent, ExecutionEnd, undefined> {
    return follow(this.transport, id('executionId', executionId), options);
  }

  /** All workflows. */
  async list(options: CallOptions = {}): Promise<StoredWorkflow[]> {
    return this.transport.call({ method: 'GET', path: ['workflows'], ...options });
  }

  async get(workflowId: string, options: CallOptions = {}): Promise<StoredWorkflow> {
    return this.transport.call({ method: 'GET', path: workflow(workflowId), ...options });
  }

  async create(
    definition: Omit<BusinessWorkflow, 'id'> | WorkflowDefinition,
    options: CallOptions = {},
  ): Promise<StoredWorkflow> {
    return this.transport.call({
      method: 'POST',
      path: ['workflows'],
      body: object('workflow', definition),
      ...options,
    });
  }

  /** Creates the workflow under this id, or makes this its next revision. */
  async put(
    workflowId: string,
    definition: Omit<BusinessWorkflow, 'id'> | WorkflowDefinition,
    options: ChangeOptions = {},
  ): Promise<StoredWorkflow> {
    const body = object('workflow', definition);
    return this.transport.call({ method: 'PUT', path: workflow(workflowId), body, ...matching(options) });
  }

  /** Makes this the next revision of a workflow that there is; otherwise ApiError 412. */
  async update(
    workflowId: string,
    definition: Omit<BusinessWorkflow, 'id'> | WorkflowDefinition,
    options: ChangeOptions = {},
  ): Promise<StoredWorkflow> {
    const body = object('workflow', definition);
    const change = matching({ ...options, headers: { 'if-match': '*', ...options.headers } });
    return this.transport.call({ method: 'PUT', path: workflow(workflowId), body, ...change });
  }

  /** Executions that run go on; new ones are refused. */
  async delete(workflowId: string, options: ChangeOptions = {}): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: workflow(workflowId), ...matching(options) });
  }

  /** Checks a definition and keeps nothing: what is wrong with it is in `errors`, and no exception. */
  async validate(definition: WorkflowDefinition, options: CallOptions = {}): Promise<Validation> {
    const body = object('workflow', definition);
    return this.transport.call({ method: 'POST', path: ['workflows', 'validate'], body, repeatable: true, ...options });
  }

  /** Executions, the newest first, without their steps and results. */
  async executions(filter: ExecutionFilter = {}, options: CallOptions = {}): Promise<Page<Execution>> {
    return this.transport.call({ method: 'GET', path: ['workflows', 'executions'], query: { ...filter }, ...options });
  }

  /** Stops an execution for good. */
  async cancel(executionId: string, reason?: string, options: CallOptions = {}): Promise<Execution> {
    return this.transport.call({
      method: 'POST',
      path: [...execution(executionId), 'cancel'],
      body: { reason },
      ...options,
    });
  }

  /** Stops an execution for a while: what runs ends, and nothing new begins. */
  async pause(executionId: string, options: CallOptions = {}): Promise<Execution> {
    return this.transport.call(act(executionId, 'pause', options));
  }

  async resume(executionId: string, options: CallOptions = {}): Promise<Execution> {
    return this.transport.call(act(executionId, 'resume', options));
  }

  /** Tries the failed steps of a failed execution again. */
  async retry(executionId: string, options: CallOptions = {}): Promise<Execution> {
    return this.transport.call({ method: 'POST', path: [...execution(executionId), 'retry'], body: {}, ...options });
  }

  /** Starts a new execution that takes over what this one came to before `fromStep`. */
  async rerun(
    executionId: string,
    request: RerunRequest = {},
    options: CallOptions = {},
  ): Promise<{ executionId: string }> {
    const body = object('request', request);
    return this.transport.call({ method: 'POST', path: [...execution(executionId), 'rerun'], body, ...options });
  }

  /** The lines of an execution's journal, part by part. */
  async history(executionId: string, part: Part = {}, options: CallOptions = {}): Promise<Page<ExecutionEvent>> {
    return this.transport.call({
      method: 'GET',
      path: [...execution(executionId), 'history'],
      query: { ...part },
      ...options,
    });
  }

  /** What functions logged, of one step or of all. */
  async logs(
    executionId: string,
    filter: Part & { step?: string } = {},
    options: CallOptions = {},
  ): Promise<Page<LogLine>> {
    return this.transport.call({
      method: 'GET',
      path: [...execution(executionId), 'logs'],
      query: { ...filter },
      ...options,
    });
  }

  /** A workflow's revisions, the oldest first, without their steps. */
  async revisions(workflowId: string, part: Part = {}, options: CallOptions = {}): Promise<Page<any>> {
    return this.transport.call({
      method: 'GET',
      path: [...workflow(workflowId), 'revisions'],
      query: { ...part },
      ...options,
    });
  }
}

function workflow(workflowId: string): string[] {
  return ['workflows', id('id', workflowId)];
}

function execution(executionId: string): string[] {
  return ['workflows', 'executions', id('executionId', executionId)];
}

/** To pause what is paused changes nothing, nor does to resume what goes on. */
function act(executionId: string, what: string, options: CallOptions): Call {
  return { method: 'POST', path: [...execution(executionId), what], body: {}, repeatable: true, ...options };
}

/** `ifMatch` as a header. */
export function matching({ ifMatch, ...options }: ChangeOptions): CallOptions {
  if (ifMatch === undefined) return options;
  return { ...options, headers: { ...options.headers, 'if-match': `"${ifMatch}"` } };
}
