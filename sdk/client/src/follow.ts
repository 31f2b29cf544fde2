// What takes long: waiting for the end of an execution, and reading along with one. Both outlive a server that is started anew.

import { ApiError, ConnectionError, TimeoutError, ValidationError, errorOf } from './errors.js';
import type { ServerSentEvent } from './sse.js';
import { Parser } from './sse.js';
import type { CallOptions, Transport } from './transport.js';
import { asked, outcome } from './transport.js';
import type { Execution, ExecutionEnd, ExecutionEvent } from './types.js';
import { backoff, deadline, pause } from './wait.js';

/** How long the server may be away, in milliseconds, before that becomes the caller's trouble. */
const PATIENCE_MS = 60_000;
/** The longest time in one request: proxies commonly cut a silent connection after a minute. */
const WAIT_MS = 30_000;
/** What an answer may take beside the time that it was to wait. */
const ANSWER_MS = 15_000;
/** The server sends something every 15 s: a connection that is silent for longer is dead, though nobody was told. */
const SILENCE_MS = 45_000;
/** Between two connections, unless the server says otherwise. */
const RECONNECT_MS = 1_000;

/** Of `waitFor`. */
export interface WaitOptions {
  /** Milliseconds; by default it waits until the execution ends. */
  timeout?: number | undefined;
  /** Ends the waiting, not the execution. */
  signal?: AbortSignal | undefined;
}

/** Of `events`. */
export interface FollowOptions {
  /** Go on behind the line with this `seq`. */
  lastEventId?: string | number | undefined;
  /** Ends the iteration: it throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** How long in a row it has gone wrong. */
class Patience {
  private since: number | undefined;
  private attempts = 0;

  gained(): void {
    this.since = undefined;
    this.attempts = 0;
  }

  /** Waits for the next attempt; throws the error if there should be none. */
  async lose(error: unknown, least: number, signal: AbortSignal | undefined): Promise<void> {
    if (!passes(error)) throw error;
    const now = Date.now();
    this.since ??= now;
    this.attempts += 1;
    const wait = backoff(this.attempts, asked(error));
    if (wait === undefined || now - this.since > PATIENCE_MS) throw error;
    await pause(Math.max(wait, least), signal);
  }
}

/** Whether it may be different the next time. */
function passes(error: unknown): boolean {
  if (error instanceof ApiError) return [429, 502, 503, 504].includes(error.statusCode);
  return error instanceof ConnectionError || error instanceof TimeoutError;
}

/** The execution as soon as it has ended, completed or failed. */
export async function waitFor(transport: Transport, id: string, options: WaitOptions): Promise<Execution> {
  const { timeout = Infinity, signal } = options;
  if (!(timeout >= 0)) throw new ValidationError('timeout', '`timeout` is a number of milliseconds');
  const until = Date.now() + timeout;
  const patience = new Patience();
  for (;;) {
    const left = Math.max(0, until - Date.now());
    const wait = Math.min(WAIT_MS, Math.ceil(left));
    const call: CallOptions = { signal, timeout: wait + ANSWER_MS, retries: 0 };
    const asked = Date.now();
    let early = 0;
    try {
      const execution: Execution = await transport.call({
        method: 'GET',
        path: ['workflows', 'executions', id],
        query: { wait },
        ...call,
      });
      if (execution.status === 'completed' || execution.status === 'failed') return execution;
      patience.gained();
      // A server that stops answers at once: it is not asked again at once.
      early = Date.now() - asked < wait / 2 ? RECONNECT_MS : 0;
    } catch (error) {
      if (left === 0) throw error;
      await patience.lose(error, 0, signal);
    }
    if (left === 0) throw new TimeoutError(`${id} has not ended within ${timeout} ms`);
    if (early > 0) await pause(Math.min(early, Math.max(0, until - Date.now())), signal);
  }
}

/** The lines of an execution's journal as they become durable; returns what the end was. */
export async function* follow(
  transport: Transport,
  id: string,
  options: FollowOptions,
): AsyncGenerator<ExecutionEvent, ExecutionEnd, undefined> {
  const patience = new Patience();
  let last = options.lastEventId === undefined ? undefined : String(options.lastEventId);
  let reconnect = RECONNECT_MS;
  for (;;) {
    let broken: unknown = new ConnectionError(`${id}: the server ended its answer before the execution ended`);
    const parser = new Parser();
    try {
      // Left in whatever way, the loop ends the connection.
      for await (const event of connection(transport, parser, { id, last, signal: options.signal })) {
        patience.gained();
        if (event.type === 'end') return JSON.parse(event.data) as ExecutionEnd;
        last = event.lastEventId ?? last;
        yield JSON.parse(event.data) as ExecutionEvent;
      }
    } catch (error) {
      broken = error;
    }
    reconnect = parser.retry ?? reconnect;
    await patience.lose(broken, reconnect, options.signal);
  }
}

/** Which events are wanted. */
interface Wanted {
  id: string;
  last: string | undefined;
  signal: AbortSignal | undefined;
}

/** The events of one connection. */
async function* connection(
  transport: Transport,
  parser: Parser,
  wanted: Wanted,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const { id, last, signal } = wanted;
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (last !== undefined) headers['last-event-id'] = last;
  const call = { method: 'GET', path: ['workflows', 'executions', id, 'events'], headers, signal } as const;
  const limit = deadline(SILENCE_MS, signal);
  const controller = new AbortController();
  limit.signal.addEventListener('abort', () => controller.abort(), { once: true });
  try {
    const response = await transport.send(call, controller.signal);
    if (!response.ok) throw errorOf(response, parsed(await response.text()));
    const type = response.headers.get('content-type') ?? '';
    if (!type.startsWith('text/event-stream') || response.body === null) {
      throw new ApiError(response.status, undefined, `the answer is ${type}, not text/event-stream: a proxy's?`);
    }
    const reader = response.body.getReader();
    for (;;) {
      limit.extend();
      const { done, value } = await reader.read();
      // How long somebody takes over an event is not the server's silence.
      limit.hold();
      if (done) return;
      yield* parser.push(value);
    }
  } catch (error) {
    throw outcome(error, call, limit.passed() ? SILENCE_MS : undefined);
  } finally {
    limit.end();
    // Also when nobody wants more: the connection ends, and its place on the server is free.
    controller.abort();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
