// What goes wrong, by what a caller can do about it.

/** The server refused the request, or failed: every status but 2xx and 400. */
export class ApiError extends Error {
  override readonly name: string = 'ApiError';

  /** Stable code, with a page in the server's documentation (`workflow_not_found`); undefined if a proxy answered. */
  readonly code: string | undefined;
  /** The request's id, as it stands in the server's log. */
  readonly requestId: string | undefined;
  /** Whether the server said that the failure of a function may pass (`functions.execute`). */
  readonly retryable: boolean | undefined;

  /** @param body the answer: an object with `code`, `message`, `errors`, ...; text if it was no JSON */
  constructor(
    readonly statusCode: number,
    readonly body: any,
    message: string,
    /** Milliseconds after which the server asks for the next attempt (`Retry-After`). */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.code = text(body?.code);
    this.requestId = text(body?.requestId);
    this.retryable = typeof body?.retryable === 'boolean' ? body.retryable : undefined;
  }
}

/** A field, or an argument, has the wrong shape: the server's 400, or refused before anything was sent. */
export class ValidationError extends Error {
  override readonly name: string = 'ValidationError';

  /** @param body the server's answer, if it was the server who refused */
  constructor(
    readonly field: string,
    message: string,
    readonly body?: any,
  ) {
    super(message);
  }
}

/** No answer: the server could not be reached, or the connection broke. The request may have been carried out. */
export class ConnectionError extends Error {
  override readonly name: string = 'ConnectionError';
}

/** No answer in time; or, of `waitFor`, no end in time. */
export class TimeoutError extends Error {
  override readonly name: string = 'TimeoutError';
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The error of an answer that is not 2xx. */
export function errorOf(response: Response, body: any): ApiError | ValidationError {
  const message = text(body?.message) ?? `the server answered ${response.status} ${response.statusText}`.trimEnd();
  if (response.status === 400) {
    return new ValidationError(text(body?.errors?.[0]?.field) ?? 'request', message, body);
  }
  return new ApiError(response.status, body, message, retryAfter(response.headers.get('retry-after'), Date.now()));
}

/** `Retry-After`, which is seconds or a date, in milliseconds from `now`. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
