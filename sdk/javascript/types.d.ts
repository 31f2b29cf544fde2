/**
 * What a Stepwell function in JavaScript is given. For editors and type checkers alone: nothing of it is loaded.
 *
 *     /** @type {import('./types').Handler<{ total: number }, { paid: number }>} *\/
 *     export default function (input, ctx) { ... }
 */

/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json | undefined };

/** The default export. A promise is awaited; `undefined` becomes `null`. */
export type Handler<Input = any, Output = Json | undefined | void> = (input: Input, ctx: Context) => Output | Promise<Output>;

/** Facts of this attempt. */
export interface Context {
  /** Which function is called. */
  readonly function: string;
  /** The execution that the call belongs to (`exec-...`); empty for a direct call. */
  readonly executionId: string;
  /** The workflow's id; empty for a direct call. */
  readonly workflowId: string;
  /** The step's id; empty for a direct call. */
  readonly step: string;
  /** Indexes of the enclosing loops, outermost first, each from 0; empty outside loops. */
  readonly iteration: number[];
  /** Which attempt of this step run this is, from 1. */
  readonly attempt: number;
  /**
   * The same text for every attempt of one step run, and for no other. Pass it on to services that know idempotency keys: a
   * function may run more than once.
   */
  readonly idempotencyKey: string;
  /** When the attempt is stopped, in milliseconds since 1970. */
  readonly deadline: number;
  /** Where the step's result may be sent later, if the step has `config.async`. */
  readonly callbackUrl?: string;
  /** W3C trace context of the attempt, if there is one. */
  readonly traceparent?: string;
  /** Log lines, kept with the attempt. `console.log` and its kin go there too. */
  readonly log: Record<'trace' | 'debug' | 'info' | 'warn' | 'error', (message: unknown, fields?: Record<string, unknown>) => void>;
  /** An error to throw: no further attempt will succeed. `code` has letters, digits, `_`, `-`, `.`, `:`, at most 64. */
  permanent(code: string, message: string, details?: Json): Error;
  /** An error to throw: another attempt may succeed, not before `afterMs` milliseconds. */
  retryable(code: string, message: string, options?: { details?: Json; afterMs?: number }): Error;
}
