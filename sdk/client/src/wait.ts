// Time: pauses that can be ended early, and signals that end by several causes.

/** Waits so many milliseconds; rejects with the signal's reason as soon as it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

/** One attempt's signal: aborted by the caller's, or when nothing has happened for so many milliseconds. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Whether it was the time. */
  passed(): boolean;
  /** The time begins anew. */
  extend(): void;
  /** The time stands still. */
  hold(): void;
  /** Nothing is waited for any more. */
  end(): void;
}

export function deadline(ms: number, outer?: AbortSignal): Deadline {
  // AbortSignal.any is younger than the oldest Node that is supported.
  const controller = new AbortController();
  let passed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const aborted = () => controller.abort(outer?.reason);
  const start = () => {
    clearTimeout(timer);
    if (ms !== Infinity) timer = setTimeout(() => ((passed = true), controller.abort()), ms);
  };
  if (outer?.aborted) aborted();
  else {
    outer?.addEventListener('abort', aborted, { once: true });
    start();
  }
  return {
    signal: controller.signal,
    passed: () => passed,
    extend: start,
    hold: () => clearTimeout(timer),
    end: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', aborted);
    },
  };
}

const BASE_MS = 250;
const LONGEST_MS = 8_000;
/** A server that asks for a longer pause is answered by an error: its caller decides. */
const PATIENCE_MS = 30_000;

/**
 * How long to wait before attempt `n` + 1 (n from 1), or undefined if the server asks for more than anybody would wait for in a call. With
 * jitter, so that those who failed together do not come back together.
 */
export function backoff(n: number, asked: number | undefined, random: () => number = Math.random): number | undefined {
  const own = random() * Math.min(LONGEST_MS, BASE_MS * 2 ** n);
  if (asked === undefined) return own;
  return asked > PATIENCE_MS ? undefined : asked + random() * BASE_MS;
}
