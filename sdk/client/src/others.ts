// Functions, events, agents, approvals and secrets.

import { ValidationError } from './errors.js';
import type { CallOptions, Transport } from './transport.js';
import { id, object, unique } from './transport.js';
import type { Approval, ApprovalAnswer, BusinessAgent, BusinessEvent, BusinessFunction } from './types.js';
import type { NewAgent, NewEvent, Page, SecretFacts } from './types.js';
import type { ChangeOptions, Part } from './workflows.js';
import { matching } from './workflows.js';

/** Of `functions.put`. */
export interface UploadOptions extends ChangeOptions {
  /** Which function of a component with several. */
  function?: string | undefined;
}

export class Functions {
  constructor(private readonly transport: Transport) {}

  /** Calls a function outside of any workflow; its output as it is. Its failure is an ApiError 422 with its code. */
  async execute<Output = any>(functionId: string, input?: any, options: CallOptions = {}): Promise<Output> {
    const body = { functionId: id('functionId', functionId), input };
    return this.transport.call({ method: 'POST', path: ['functions', 'execute'], body, ...options });
  }

  async list(options: CallOptions = {}): Promise<BusinessFunction[]> {
    return this.transport.call({ method: 'GET', path: ['functions'], ...options });
  }

  async get(functionId: string, options: CallOptions = {}): Promise<BusinessFunction> {
    return this.transport.call({ method: 'GET', path: ['functions', id('id', functionId)], ...options });
  }

  /** Registers a function from `source` (JavaScript) or `wasm` (base64). */
  async create(definition: BusinessFunction, options: CallOptions = {}): Promise<BusinessFunction> {
    const body = object('function', definition);
    return this.transport.call({ method: 'POST', path: ['functions'], body, ...options });
  }

  /** Registers a function, or its next version: a text is the source of a JavaScript module, bytes are WebAssembly. */
  async put(
    functionId: string,
    artifact: string | Uint8Array | ArrayBuffer,
    options: UploadOptions = {},
  ): Promise<BusinessFunction> {
    const { function: name, ...change } = options;
    if (typeof artifact !== 'string' && !(artifact instanceof Uint8Array) && !(artifact instanceof ArrayBuffer)) {
      throw new ValidationError(
        'artifact',
        '`artifact` is a text, the source of a JavaScript module, or the bytes of a component',
      );
    }
    return this.transport.call({
      method: 'PUT',
      path: ['functions', id('id', functionId)],
      query: { function: name },
      body: artifact,
      type: typeof artifact === 'string' ? 'text/javascript' : 'application/wasm',
      ...matching(change),
    });
  }

  /** Executions that started with it go on; new ones are refused. */
  async delete(functionId: string, options: ChangeOptions = {}): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: ['functions', id('id', functionId)], ...matching(options) });
  }

  async versions(functionId: string, part: Part = {}, options: CallOptions = {}): Promise<Page<BusinessFunction>> {
    const path = ['functions', id('id', functionId), 'versions'];
    return this.transport.call({ method: 'GET', path, query: { ...part }, ...options });
  }

  /** Makes an earlier version, by default the one before, the next one. */
  async rollback(functionId: string, version?: number, options: ChangeOptions = {}): Promise<BusinessFunction> {
    const path = ['functions', id('id', functionId), 'rollback'];
    return this.transport.call({ method: 'POST', path, body: { version }, ...matching(options) });
  }
}

/** Which events are listed. */
export interface EventFilter {
  /** A type, or a pattern: `*` stands for one dotted segment, a last `**` for the rest. */
  type?: string;
  source?: string;
  since?: string | Date;
  limit?: number;
  cursor?: string;
}

export class Events {
  constructor(private readonly transport: Transport) {}

  /** Publishes an event. An event of this source with this id that is there already is answered as it was. */
  async publish(event: NewEvent, options: CallOptions = {}): Promise<BusinessEvent> {
    const body = { ...object('event', event), id: event.id ?? unique() };
    return this.transport.call({ method: 'POST', path: ['events'], body, repeatable: true, ...options });
  }

  /** Events, the newest first. */
  async list(filter: EventFilter = {}, options: CallOptions = {}): Promise<BusinessEvent[]> {
    return this.transport.call({ method: 'GET', path: ['events'], query: { ...filter }, ...options });
  }

  /** An event, and what it started, did not start and why, and which steps got it. */
  async get(eventId: string, options: CallOptions = {}): Promise<BusinessEvent> {
    return this.transport.call({ method: 'GET', path: ['events', id('id', eventId)], ...options });
  }
}

export class Agents {
  constructor(private readonly transport: Transport) {}

  async list(options: CallOptions = {}): Promise<BusinessAgent[]> {
    return this.transport.call({ method: 'GET', path: ['agents'], ...options });
  }

  async get(agentId: string, options: CallOptions = {}): Promise<BusinessAgent> {
    return this.transport.call({ method: 'GET', path: ['agents', id('id', agentId)], ...options });
  }

  async create(agent: NewAgent, options: CallOptions = {}): Promise<BusinessAgent> {
    return this.transport.call({ method: 'POST', path: ['agents'], body: object('agent', agent), ...options });
  }

  /** Creates the agent under this id, or makes this its next version. */
  async put(agentId: string, agent: NewAgent, options: ChangeOptions = {}): Promise<BusinessAgent> {
    const body = object('agent', agent);
    return this.transport.call({ method: 'PUT', path: ['agents', id('id', agentId)], body, ...matching(options) });
  }

  async delete(agentId: string, options: ChangeOptions = {}): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: ['agents', id('id', agentId)], ...matching(options) });
  }

  /** Hands an agent something to do. A server without a model provider answers ApiError 422 `agent_provider_not_configured`. */
  async assign(agentId: string, task: any, options: CallOptions = {}): Promise<{ taskId: string }> {
    const body = typeof task === 'string' ? { description: task } : object('task', task);
    return this.transport.call({ method: 'POST', path: ['agents', id('id', agentId), 'assign'], body, ...options });
  }
}

/** Which approvals are listed. */
export interface ApprovalFilter extends Part {
  status?: Approval['status'] | readonly Approval['status'][];
  workflow?: string;
  execution?: string;
}

export class Approvals {
  constructor(private readonly transport: Transport) {}

  async list(filter: ApprovalFilter = {}, options: CallOptions = {}): Promise<Page<Approval>> {
    return this.transport.call({ method: 'GET', path: ['approvals'], query: { ...filter }, ...options });
  }

  async get(approvalId: string, options: CallOptions = {}): Promise<Approval> {
    return this.transport.call({ method: 'GET', path: ['approvals', id('id', approvalId)], ...options });
  }

  /** Answers; the approval as it is afterwards. */
  async answer(approvalId: string, answer: ApprovalAnswer, options: CallOptions = {}): Promise<Approval> {
    const body = object('answer', answer);
    return this.transport.call({ method: 'POST', path: ['approvals', id('id', approvalId)], body, ...options });
  }
}

export class Secrets {
  constructor(private readonly transport: Transport) {}

  /** Names, versions and times; never a value. */
  async list(part: Part = {}, options: CallOptions = {}): Promise<Page<SecretFacts>> {
    return this.transport.call({ method: 'GET', path: ['secrets'], query: { ...part }, ...options });
  }

  async get(name: string, options: CallOptions = {}): Promise<SecretFacts> {
    return this.transport.call({ method: 'GET', path: ['secrets', id('name', name)], ...options });
  }

  async put(name: string, value: string, options: CallOptions = {}): Promise<SecretFacts> {
    return this.transport.call({ method: 'PUT', path: ['secrets', id('name', name)], body: { value }, ...options });
  }

  async delete(name: string, options: CallOptions = {}): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: ['secrets', id('name', name)], ...options });
  }
}
