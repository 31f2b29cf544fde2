// Requests: one place where they are made, timed, repeated and turned into values or errors.

import { ApiError, ConnectionError, TimeoutError, ValidationError, errorOf } from './errors.js';
import { backoff, deadline, pause } from './wait.js';

/** How to reach the server. */
export interface BusinessApiOptions {
  /** The key, sent as `Authorization: Bearer <key>`. */
  apiKey?: string | undefined;
  /** Where the server is: by default the environment's `STEPWELL_URL`, where there is one, or `http://127.0.0.1:7878`. */
  baseUrl?: string | undefined;
  /** Sent with every request. */
  headers?: Record<string, string> | undefined;
  /** Milliseconds for each attempt of a request; 30,000 by default, `Infinity` for no limit. */
  timeout?: number | undefined;
  /** How often a request is repeated that met 429, 503 or a broken connection and may be repeated; 3 by default. */
  retries?: number | undefined;
  /** In the place of the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** For one call. */
export interface CallOptions {
  /** Ends the call; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** As in {@link BusinessApiOptions}. */
  timeout?: number | undefined;
  /** As in {@link BusinessApiOptions}. */
  retries?: number | undefined;
  /** More headers. */
  headers?: Record<string, string> | undefined;
}

/** A request. */
export interface Call extends CallOptions {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Segments of the path; each is encoded. */
  path: readonly string[];
  query?: Record<string, string | number | Date | readonly string[] | undefined> | undefined;
  /** Sent as JSON, unless it is bytes or has a type of its own. */
  body?: unknown;
  /** The body's type; the body is sent as it is. */
  type?: string | undefined;
  /** Whether it does no harm to carry it out twice. By default: all but POST. */
  repeatable?: boolean | undefined;
}

const DEFAULT_URL = 'http://127.0.0.1:7878';
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RETRIES = 3;

/** Speaks to one server. */
export class Transport {
  private readonly base: string;
  private readonly headers: Record<string, string>;
  private readonly timeout: number;
  private readonly retries: number;
  private readonly fetch: typeof globalThis.fetch;

  constructor(options: BusinessApiOptions) {
    this.base = baseUrl(options.baseUrl);
    this.headers = headersOf(options);
    this.timeout = atLeast('timeout', options.timeout, 1, DEFAULT_TIMEOUT_MS);
    this.retries = atLeast('retries', options.retries, 0, DEFAULT_RETRIES);
    const own = options.fetch ?? globalThis.fetch;
    if (typeof own !== 'function') throw new ValidationError('fetch', 'there is no global fetch here: give one');
    // Browsers refuse to have it called as a method of something else.
    this.fetch = (input, init) => own(input, init);
  }

  /** The answer as a value. */
  async call<T = any>(call: Call): Promise<T> {
    const retries = atLeast('retries', call.retries, 0, this.retries);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.attempt<T>(call);
      } catch (error) {
        const wait = attempt > retries || !mayRepeat(call, error) ? undefined : backoff(attempt, asked(error));
        if (wait === undefined) throw error;
        await pause(wait, call.signal);
      }
    }
  }

  private async attempt<T>(call: Call): Promise<T> {
    const timeout = atLeast('timeout', call.timeout, 1, this.timeout);
    const limit = deadline(timeout, call.signal);
    try {
      const response = await this.send(call, limit.signal);
      const text = await response.text();
      return valueOf(response, text) as T;
    } catch (error) {
      throw outcome(error, call, limit.passed() ? timeout : undefined);
    } finally {
      limit.end();
    }
  }

  /** The answer as it comes in. */
  async send(call: Call, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { accept: 'application/json', ...this.headers, ...lower(call.headers) };
    const init: RequestInit = { method: call.method, headers, signal };
    if (call.body !== undefined) {
      headers['content-type'] = call.type ?? 'application/json';
      init.body = call.type === undefined ? json(call.body) : (call.body as BodyInit);
    }
    return this.fetch(this.base + address(call), init);
  }
}

function valueOf(response: Response, text: string): unknown {
  let body: unknown = text;
  let isJson = true;
  try {
    body = JSON.parse(text);
  } catch {
    isJson = false;
  }
  if (!response.ok) throw errorOf(response, body);
  if (!isJson) throw new ApiError(response.status, text, 'the answer is not JSON: is this address a Stepwell server?');
  return body;
}

/** What a failed attempt is for the caller. */
export function outcome(error: unknown, call: Call, timedOutMs: number | undefined): unknown {
  if (error instanceof ApiError || error instanceof ValidationError) return error;
  if (call.signal?.aborted) return call.signal.reason;
  const what = `${call.method} /${call.path.join('/')}`;
  if (timedOutMs !== undefined) return new TimeoutError(`${what}: no answer within ${timedOutMs} ms`);
  return new ConnectionError(`${what}: ${reason(error)}`, { cause: error });
}

/** `fetch` says only that it failed; why is in the cause. */
function reason(error: unknown): string {
  const cause = (error as { cause?: { code?: string; message?: string } } | undefined)?.cause;
  return cause?.message || cause?.code || (error instanceof Error ? error.message : String(error));
}

/** Codes of 503 that the server answers before it has done anything. */
const UNTOUCHED: readonly unknown[] = ['connections', 'uploads_waiting'];

export function mayRepeat(call: Call, error: unknown): boolean {
  const repeatable = call.repeatable ?? call.method !== 'POST';
  if (error instanceof ConnectionError || error instanceof TimeoutError) return repeatable;
  if (!(error instanceof ApiError)) return false;
  // 429 means that nothing was done; 503 may come from a store that does not know whether it wrote.
  return error.statusCode === 429 || (error.statusCode === 503 && (repeatable || UNTOUCHED.includes(error.code)));
}

export function asked(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfter : undefined;
}

function json(body: unknown): string {
  const text = JSON.stringify(body);
  if (text === undefined) throw new ValidationError('body', 'what is sent must be JSON');
  return text;
}

function address(call: Call): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) {
    if (value === undefined) continue;
    query.set(
      key,
      value instanceof Date ? value.toISOString() : Array.isArray(value) ? value.join(',') : String(value),
    );
  }
  const path = call.path.map((segment) => `/${encodeURIComponent(segment)}`).join('');
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}

function baseUrl(given: string | undefined): string {
  const url = given ?? environment('STEPWELL_URL') ?? DEFAULT_URL;
  if (!/^https?:\/\/[^/?#]+(\/[^?#]*)?$/i.test(url)) {
    throw new ValidationError(
      'baseUrl',
      `${JSON.stringify(url)} is not the address of a server, such as ${DEFAULT_URL}`,
    );
  }
  return url.replace(/\/+$/, '');
}

function headersOf(options: BusinessApiOptions): Record<string, string> {
  const headers = lower(options.headers);
  if (options.apiKey !== undefined && options.apiKey !== '') headers['authorization'] = `Bearer ${options.apiKey}`;
  if (headers['authorization'] === undefined) {
    throw new ValidationError('apiKey', 'give an API key: is the environment variable set that it is read from?');
  }
  return headers;
}

function lower(headers: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

/** A variable of the environment, where there is one: in Node and the like, not in browsers. */
function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] || undefined;
}

function atLeast(field: string, given: number | undefined, least: number, other: number): number {
  if (given === undefined) return other;
  if (typeof given !== 'number' || !(given >= least)) {
    throw new ValidationError(field, `\`${field}\` is a number from ${least} on`);
  }
  return given;
}

/** An id that can be a segment of a path. */
export function id(field: string, given: unknown): string {
  if (typeof given !== 'string' || given === '' || given === '.' || given === '..') {
    throw new ValidationError(field, `\`${field}\` is a text, and not empty`);
  }
  return given;
}

/** An argument that is an object. */
export function object<T>(field: string, given: T): T {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ValidationError(field, `\`${field}\` is an object`);
  }
  return given;
}

/** A text that nobody else makes. */
export function unique(): string {
  const crypto = globalThis.crypto as Crypto | undefined;
  if (crypto?.randomUUID) return crypto.randomUUID();
  const bytes = new Uint8Array(16);
  if (crypto?.getRandomValues) crypto.getRandomValues(bytes);
  else bytes.forEach((_, at) => (bytes[at] = Math.floor(Math.random() * 256)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
