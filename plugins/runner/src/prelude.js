// What a script finds, and what turns its end into words. It runs before the script and keeps what it needs of the built-in
// objects, so that a script that changes them changes only its own view. Its value is the functions that Rust calls.
(function (log, random) {
  'use strict';
  const { parse, stringify } = JSON;
  const { apply } = Reflect;
  const { defineProperty, entries, freeze } = Object;
  const { toWellFormed, slice } = String.prototype;
  const { then } = Promise.prototype;
  const { get: markOf, set: mark } = WeakMap.prototype;
  const [Text, Failure, Weak, resolve, now] = [String, Error, WeakMap, Promise.resolve.bind(Promise), Date.now];

  // Longest text of a failure, in characters: the host keeps 4 KiB of a message and 16 KiB of details.
  const MESSAGE = 4096, STACK = 6000, DETAILS = 16384;

  const marks = new Weak();
  const well = (text) => apply(toWellFormed, text, []);
  const short = (text, most) => well(text.length > most ? apply(slice, text, [0, most]) + '…' : text);
  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

  // Never throws, whatever the script made of its objects.
  function attempt(work, otherwise) {
    try {
      return work();
    } catch {
      return otherwise;
    }
  }

  function shown(value) {
    if (typeof value === 'string') return value;
    if (!isObject(value)) return attempt(() => Text(value), '');
    if (value instanceof Failure) return attempt(() => value.stack ? `${value}\n${value.stack}` : `${value}`, 'an error');
    return attempt(() => stringify(value) ?? Text(value), undefined) ?? attempt(() => Text(value), 'an object');
  }

  // JSON text for the details of a failure, or nothing.
  function detailed(details) {
    if (details === undefined) return undefined;
    const text = attempt(() => stringify(details), undefined);
    if (text === undefined) return stringify('details without JSON form');
    return text.length > DETAILS ? stringify(`details of ${text.length} characters are left out; ${DETAILS} are kept`) : text;
  }

  function marked(message, facts) {
    const error = new Failure(message === undefined ? undefined : Text(message));
    error.name = facts.name;
    error.code = facts.code;
    apply(mark, marks, [error, freeze(facts)]);
    return error;
  }

  // ctx.permanent and ctx.retryable: errors to throw.
  function permanent(code, message, details) {
    return marked(message, { name: 'PermanentError', code: Text(code), details, permanent: true, afterMs: undefined });
  }

  function retryable(code, message, options) {
    const { details, afterMs } = options ?? {};
    const pause = Number(afterMs);
    const valid = afterMs !== undefined && pause >= 0 && pause <= Number.MAX_SAFE_INTEGER;
    return marked(message, { name: 'RetryableError', code: Text(code), details, permanent: false, afterMs: valid ? Math.ceil(pause) : undefined });
  }

  // What was thrown, as [permanent or retryable, code, message, details, milliseconds].
  function described(thrown) {
    const facts = isObject(thrown) ? apply(markOf, marks, [thrown]) : undefined;
    if (facts) {
      const message = attempt(() => Text(thrown.message), '');
      return [facts.permanent ? 'permanent' : 'retryable', short(facts.code, 128), short(message, MESSAGE), detailed(facts.details), facts.afterMs];
    }
    if (!(thrown instanceof Failure)) {
      const message = isObject(thrown) && attempt(() => typeof thrown.message === 'string' && thrown.message, false);
      return ['retryable', 'function_error', short(message || `the function threw ${shown(thrown)}`, MESSAGE)];
    }
    const name = attempt(() => Text(thrown.name), 'Error');
    const message = attempt(() => Text(thrown.message), '') || `the function threw ${name}`;
    const stack = attempt(() => Text(thrown.stack ?? ''), '');
    const cause = attempt(() => thrown.cause === undefined ? undefined : short(shown(thrown.cause), STACK), undefined);
    const details = { name: short(name, 128), stack: short(stack, STACK), cause };
    return ['retryable', 'function_error', short(message, MESSAGE), stringify(details)];
  }

  // Where an error of the text itself lies: [message, line, column].
  function placed(thrown) {
    const name = attempt(() => thrown instanceof Failure ? `${thrown.name}: ${thrown.message}` : shown(thrown), 'an error');
    const at = attempt(() => /function\.js:(\d+):(\d+)/.exec(Text(thrown.stack)), undefined);
    return [short(name, 1024), at ? +at[1] : undefined, at ? +at[2] : undefined];
  }

  function write(level, message, fields) {
    const pairs = [];
    if (isObject(fields)) {
      for (const [name, value] of entries(fields)) pairs.push(short(name, 256), short(shown(value), 16384));
    }
    log(level, short(shown(message), 16384), pairs);
  }

  const levels = ['trace', 'debug', 'info', 'warn', 'error'];
  const logger = () => {
    const all = {};
    for (const level of levels) all[level] = (message, fields) => attempt(() => write(level, message, fields));
    return all;
  };

  const print = (level) => (...values) => attempt(() => write(level, values.map(shown).join(' ')));
  const console = { log: print('info') };
  for (const level of levels) console[level] = print(level);
  defineProperty(globalThis, 'console', { value: console, writable: true, configurable: true });
  // The engine's own counts from when it was set up.
  const performance = { now: () => 0, get timeOrigin() { return now(); } };
  defineProperty(globalThis, 'performance', { value: performance, writable: true, configurable: true });
  defineProperty(Math, 'random', { value: () => random(), writable: true, configurable: true });

  // Calls the function; what it promised may settle later. The answer is read by `end`.
  function begin(run, facts, input) {
    const cell = { end: undefined };
    const ctx = { ...facts, log: logger(), permanent, retryable };
    const failed = (thrown) => { cell.end = described(thrown); };
    const done = (value) => { cell.end = answered(value); };
    try {
      apply(then, resolve(run(parse(input), ctx)), [done, failed]);
    } catch (thrown) {
      failed(thrown);
    }
    return cell;
  }

  // The result as JSON. `undefined` is null; what JSON cannot hold is said.
  function answered(value) {
    const wrong = (why) => ['permanent', 'invalid_output', short(`the result has no JSON form: ${why}`, MESSAGE)];
    if (value === undefined) return ['ok', 'null'];
    try {
      const text = stringify(value);
      return text === undefined ? wrong(`it is a ${typeof value}`) : ['ok', text];
    } catch (thrown) {
      return wrong(attempt(() => thrown instanceof Failure ? Text(thrown.message) : shown(thrown), 'its toJSON throws'));
    }
  }

  const end = (cell) => cell.end ?? ['permanent', 'never_settled',
    'the function returned a promise that never settles: nothing is left to run that could settle it (there are no timers and no network here)'];

  return freeze({ begin, end, described, placed, isFunction: (value) => typeof value === 'function' });
});
