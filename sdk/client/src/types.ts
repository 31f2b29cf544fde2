// The shapes that travel. The first three are those of the documented API, to the letter but for a step's name, which may be left out.

/** A workflow: steps that lead to each other, from the first one on. */
export interface BusinessWorkflow {
  id: string;
  name: string;
  description?: string;
  steps: WorkflowStep[];
  triggers?: WorkflowTrigger[];
  metadata?: Record<string, any>;
}

/** A place in a workflow. */
export interface WorkflowStep {
  id: string;
  /** Made from the id if it is left out. */
  name?: string;
  type: 'function' | 'condition' | 'parallel' | 'loop' | 'human' | 'agent';
  function?: string | BusinessFunction;
  condition?: string;
  next?: string | string[];
  config?: Record<string, any>;
}

/** A rule that starts executions. */
export interface WorkflowTrigger {
  type: 'schedule' | 'event' | 'webhook' | 'manual';
  config: Record<string, any>;
  condition?: string;
}

/** Step types beyond the documented ones: a pause, an event that is waited for, another workflow. */
export interface ExtendedStep extends Omit<WorkflowStep, 'type'> {
  type: WorkflowStep['type'] | 'wait' | 'event' | 'workflow';
}

/** What can be created: a workflow, and what the server knows beyond the documented fields. */
export interface WorkflowDefinition {
  /** Made from the name if it is left out. */
  id?: string;
  /** Made from the id if it is left out. */
  name?: string;
  description?: string;
  steps: readonly ExtendedStep[];
  triggers?: readonly (Omit<WorkflowTrigger, 'config'> & { config?: Record<string, any> })[];
  metadata?: Record<string, any>;
  /** JSON Schema of the input, checked at each start. */
  inputSchema?: Record<string, any> | boolean;
  /** An expression that gives the execution's result its shape. */
  output?: string;
  /** For the whole execution: milliseconds, or `"30s"`. */
  timeout?: number | string;
  enabled?: boolean;
  /** Further fields are kept and given back. */
  [field: string]: any;
}

/** Something that its author may want to change. */
export interface Warning {
  /** JSON pointer. */
  pointer: string;
  code: string;
  message: string;
}

/** What is to be said of a definition. */
export interface Validation {
  valid: boolean;
  errors: { field: string; pointer: string; code: string; message: string }[];
  warnings: Warning[];
  [field: string]: any;
}

/** A workflow as the server keeps it. */
export interface StoredWorkflow extends BusinessWorkflow {
  revision: number;
  warnings: Warning[];
  createdAt: string;
  updatedAt: string;
}

/** A function: of a step, its id, or with `source` or `wasm` its definition in place. */
export interface BusinessFunction {
  id: string;
  name?: string;
  description?: string;
  /** The text of a JavaScript module whose default export is the function. */
  source?: string;
  /** A WebAssembly component, in base64. */
  wasm?: string;
  component?: string;
  digest?: string;
  version?: number;
  size?: number;
  kind?: string;
  inputSchema?: any;
  outputSchema?: any;
  imports?: { wanted: string[]; granted: string[] };
  createdAt?: string;
  [field: string]: any;
}

/** An execution. */
export interface Execution {
  executionId: string;
  workflowId: string;
  revision: number;
  trigger: { type: string; by?: string; eventId?: string; scheduledAt?: string; [field: string]: any };
  status: 'pending' | 'running' | 'completed' | 'failed';
  /** Finer than the status: `retrying`, `waiting_approval`, `paused`, `cancelled`, `timed_out`, ... */
  state: string;
  result?: any;
  /** A readable sentence. */
  error?: any;
  errorDetails?: ErrorDetails;
  /** Failures that an `onError` step took care of. */
  handledErrors?: ErrorDetails[];
  startedAt: string;
  endedAt?: string;
  /** Missing in lists. */
  steps?: Record<string, StepState>;
}

/** Why an execution or a step failed. */
export interface ErrorDetails {
  code: string;
  message: string;
  step?: string;
  attempt?: number;
  retryable?: boolean;
  source?: 'guest' | 'host';
  details?: any;
}

/** A step of an execution; of one that ran several times, the latest run. */
export interface StepState {
  status: 'pending' | 'running' | 'waiting' | 'completed' | 'failed' | 'skipped' | 'cancelled';
  attempts: number;
  runs: number;
  iterations?: number;
  outcome?: boolean;
  startedAt?: string;
  endedAt?: string;
  [field: string]: any;
}

/** A line of an execution's journal. */
export interface ExecutionEvent {
  /** Its place, from 0. */
  seq: number;
  at: string;
  /** What happened: `started`, `step_succeeded`, `step_failed`, `timer_fired`, `approval_answered`, ... */
  entry: string;
  step?: string;
  run?: number;
  attempt?: number;
  [field: string]: any;
}

/** How an execution ended. */
export interface ExecutionEnd {
  executionId: string;
  status: 'completed' | 'failed';
  state: string;
}

/** A line that a function logged. */
export interface LogLine {
  at: string;
  step: string;
  run: number;
  attempt: number;
  level: string;
  message: string;
  fields: Record<string, string>;
}

/** A part of a list. */
export interface Page<T> {
  items: T[];
  /** For the next part; null: that was all. */
  nextCursor: string | null;
}

/** An event that is published. */
export interface NewEvent {
  type: string;
  source: string;
  /** Two events of one source with one id are the same event. Made by the client if it is left out, so that it can send it again. */
  id?: string;
  timestamp?: string;
  data?: any;
  resources?: any;
  metadata?: any;
}

/** An event. */
export interface BusinessEvent {
  id: string;
  type: string;
  timestamp: string;
  source: string;
  data: any;
  resources?: any;
  metadata?: any;
  /** Of `get`: the executions that it started, what it did not start and why, the steps that got it. */
  started?: any[];
  notStarted?: any[];
  delivered?: any[];
  [field: string]: any;
}

/** An agent that is created. */
export interface NewAgent {
  /** Made from the name if it is left out. */
  id?: string;
  name?: string;
  /** What steps call it by, beside its id (`config.agentRole`). */
  role?: string;
  description?: string;
  instructions?: string;
  model?: string;
  /** Ids of functions that it may call. */
  tools?: readonly string[];
  /** JSON Schema of its answers. */
  outputSchema?: any;
  metadata?: Record<string, any>;
  [field: string]: any;
}

/** An agent. */
export interface BusinessAgent extends NewAgent {
  id: string;
  name: string;
  version: number;
  warnings: Warning[];
  createdAt: string;
  updatedAt: string;
}

/** What people are asked. */
export interface Approval {
  id: string;
  executionId: string;
  workflowId: string;
  step: string;
  status: 'pending' | 'approved' | 'rejected' | 'expired' | 'cancelled';
  approvers: string[];
  requiredApprovals: number;
  decisions: { by: string; approved: boolean; comment?: string | null; at: string; data?: any }[];
  form?: any;
  createdAt: string;
  expiresAt?: string;
  [field: string]: any;
}

/** An answer to an approval. */
export interface ApprovalAnswer {
  approved: boolean;
  comment?: string;
  /** What the approval's form asks for. */
  data?: any;
  /** Who answers, if it is not the key's owner; for keys with the scope `admin`. */
  by?: string;
}

/** When a workflow starts by the clock. */
export interface Schedule {
  /** The workflow's id, `~`, and the trigger's `config.id` or its place. */
  id: string;
  workflowId: string;
  trigger: number;
  cron: string;
  timezone: string;
  catchup: 'latest' | 'none' | 'all';
  overlap: 'allow' | 'skip' | 'queue' | 'cancel';
  enabled: boolean;
  paused: boolean;
  pausedBy?: string | null;
  pausedAt?: string;
  /** In its zone. */
  nextRuns: string[];
}

/** A schedule, and what came of its latest occurrences, the newest first. */
export interface ScheduleFirings extends Schedule {
  firings: { scheduledAt: string; status: string; executionId?: string; [field: string]: any }[];
}

/** A request that came to a webhook. */
export interface WebhookDelivery {
  id: string;
  workflowId: string;
  method: string;
  path: string;
  receivedAt: string;
  status: 'accepted' | 'started' | 'ignored' | 'failed' | 'refused';
  /** What its signature was found to be. */
  signature: string;
  executionId: string | null;
  /** Why it started nothing. */
  code?: string | null;
  reason?: string | null;
  replayOf?: string;
  [field: string]: any;
}

/** What may be told of a secret. */
export interface SecretFacts {
  name: string;
  version: number;
  createdAt: string;
  updatedAt: string;
}
