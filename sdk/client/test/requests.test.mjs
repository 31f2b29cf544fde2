// What goes over the wire, and what comes of the answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, ConnectionError, TimeoutError, ValidationError, createBusinessApi } from '../dist/index.js';
import { retryAfter } from '../dist/errors.js';
import { backoff } from '../dist/wait.js';
import { KEY, hangUp, problem, serve, silence } from './server.mjs';

test('requests carry the key, JSON and encoded ids', async (t) => {
  const { api, asked } = await serve(t, [200, { id: 'x' }]);
  const { workflows, functions, events, agents, approvals, secrets } = api({ headers: { 'X-Team': 'a' } });
  await workflows.get('a b/c?d');
  await workflows.executions({ status: ['running', 'failed'], since: new Date(0), limit: 5 });
  await workflows.put('w', { steps: [] }, { ifMatch: 3 });
  await workflows.update('w', { steps: [] });
  await workflows.trigger('w', null, { idempotencyKey: 'mine', headers: { 'X-Call': 'b' } });
  await workflows.trigger('w');
  await functions.put('f', 'export default () => 1', { function: 'one' });
  await functions.put('f', new Uint8Array([0, 97, 115, 109]));
  await events.publish({ type: 'a.b', source: 's', id: 'e' });
  await events.list({ type: 'a.*' });
  await agents.assign('a', 'do it');
  await approvals.answer('p', { approved: true });
  await secrets.put('S', 'v');
  const lines = asked.map(({ method, url }) => `${method} ${url}`);
  assert.deepEqual(lines, [
    'GET /workflows/a%20b%2Fc%3Fd',
    'GET /workflows/executions?status=running%2Cfailed&since=1970-01-01T00%3A00%3A00.000Z&limit=5',
    'PUT /workflows/w',
    'PUT /workflows/w',
    'POST /workflows/trigger',
    'POST /workflows/trigger',
    'PUT /functions/f?function=one',
    'PUT /functions/f',
    'POST /events',
    'GET /events?type=a.*',
    'POST /agents/a/assign',
    'POST /approvals/p',
    'PUT /secrets/S',
  ]);
  for (const { headers } of asked) {
    assert.equal(headers.authorization, `Bearer ${KEY}`);
    assert.equal(headers['x-team'], 'a');
  }
  assert.equal(asked[0].headers['content-type'], undefined);
  assert.deepEqual([asked[2].headers['if-match'], asked[3].headers['if-match']], ['"3"', '*']);
  assert.deepEqual(JSON.parse(asked[4].body), { workflowId: 'w', input: null });
  assert.deepEqual([asked[4].headers['idempotency-key'], asked[4].headers['x-call']], ['mine', 'b']);
  assert.deepEqual(JSON.parse(asked[5].body), { workflowId: 'w' });
  assert.match(asked[5].headers['idempotency-key'], /^[0-9a-f-]{32,36}$/);
  assert.deepEqual([asked[6].headers['content-type'], asked[6].body], ['text/javascript', 'export default () => 1']);
  assert.deepEqual([asked[7].headers['content-type'], asked[7].body], ['application/wasm', '\0asm']);
  assert.deepEqual(JSON.parse(asked[10].body), { description: 'do it' });
});

test('a 400 is a ValidationError, all other errors are ApiErrors', async (t) => {
  const fields = [{ field: 'steps[0].id', pointer: '/steps/0/id', code: 'missing', message: 'x' }];
  const wrong = problem(400, 'invalid_request', { errors: fields });
  const { api } = await serve(
    t,
    [400, wrong],
    [404, problem(404, 'workflow_not_found')],
    [502, '<html>'],
    [200, 'hello'],
  );
  const { workflows } = api({ retries: 0 });
  const error = await workflows.create({ steps: [] }).catch((error) => error);
  assert.ok(error instanceof ValidationError && !(error instanceof ApiError) && error instanceof Error);
  assert.deepEqual(
    [error.field, error.message, error.name, error.body.errors],
    ['steps[0].id', 'it is invalid_request', 'ValidationError', fields],
  );
  const missing = await workflows.get('w').catch((error) => error);
  assert.ok(missing instanceof ApiError && !(missing instanceof ValidationError));
  const { statusCode, code, message, requestId, body } = missing;
  assert.deepEqual(
    [statusCode, code, message, requestId, body.detail],
    [404, 'workflow_not_found', 'it is workflow_not_found', 'req-1', message],
  );
  const proxy = await workflows.get('w').catch((error) => error);
  assert.deepEqual(
    [proxy.statusCode, proxy.body, proxy.code, proxy.message],
    [502, '<html>', undefined, 'the server answered 502 Bad Gateway'],
  );
  await assert.rejects(workflows.get('w'), { name: 'ApiError', statusCode: 200, body: 'hello' });
});

test('wrong arguments are refused before anything is sent', async (t) => {
  const { api, asked } = await serve(t, [200, {}]);
  const { workflows, functions, events } = api();
  const refused = (field) => (error) => error instanceof ValidationError && error.field === field;
  for (const id of ['', '.', '..', undefined, null, 7]) {
    await assert.rejects(workflows.get(id), refused('id'));
    await assert.rejects(workflows.trigger(id), refused('workflowId'));
    assert.throws(() => workflows.events(id), refused('executionId'));
  }
  await assert.rejects(workflows.create(undefined), refused('workflow'));
  await assert.rejects(events.publish([]), refused('event'));
  await assert.rejects(functions.put('f', 7), refused('artifact'));
  await assert.rejects(workflows.get('w', { timeout: 0 }), refused('timeout'));
  for (const [options, field] of [
    [{ apiKey: undefined }, 'apiKey'],
    [{ apiKey: '' }, 'apiKey'],
    [{ apiKey: 'k', baseUrl: 'localhost:7878' }, 'baseUrl'],
    [{ apiKey: 'k', retries: -1 }, 'retries'],
    [{ apiKey: 'k', timeout: '1s' }, 'timeout'],
  ]) {
    assert.throws(() => createBusinessApi(options), refused(field));
  }
  createBusinessApi({ headers: { Authorization: 'Bearer a proxy adds more' } });
  assert.equal(asked.length, 0);
});

test('the address comes from the options, the environment, or is the local one', async () => {
  const seen = [];
  const fetch = async (url) => (seen.push(url), new Response('[]'));
  const list = (options) => createBusinessApi({ apiKey: KEY, fetch, ...options }).workflows.list();
  delete process.env.STEPWELL_URL;
  await list();
  process.env.STEPWELL_URL = 'https://here.example/api/';
  await list();
  await list({ baseUrl: 'http://there.example' });
  delete process.env.STEPWELL_URL;
  assert.deepEqual(seen, [
    'http://127.0.0.1:7878/workflows',
    'https://here.example/api/workflows',
    'http://there.example/workflows',
  ]);
});

test('429 is repeated for every request, after the time that it asks for', async (t) => {
  const busy = [429, problem(429, 'payload'), { 'retry-after': '1' }];
  const { api, asked } = await serve(t, busy, [200, 7]);
  const began = performance.now();
  assert.equal(await api().functions.execute('f', 1), 7);
  assert.equal(asked.length, 2);
  assert.ok(performance.now() - began >= 990, 'a second was asked for');
});

test('a server that asks for a long pause is not waited for', async (t) => {
  const { api, asked } = await serve(t, [429, problem(429, 'workflows'), { 'retry-after': '60' }]);
  await assert.rejects(api().workflows.list(), { statusCode: 429, retryAfter: 60_000 });
  assert.equal(asked.length, 1);
});

test('503 is repeated where that can do no harm', async (t) => {
  const gone = (code) => [503, problem(503, code), { 'retry-after': '0' }];
  const answers = [gone('unavailable'), gone('internal'), [200, 1], gone('connections'), [200, 2], gone('unavailable')];
  const { api, asked } = await serve(t, ...answers);
  const { workflows, functions } = api({ retries: 2 });
  assert.deepEqual([await workflows.get('w'), asked.length], [1, 3]);
  assert.deepEqual([await functions.execute('f'), asked.length], [2, 5], 'it was not even read');
  await assert.rejects(functions.execute('f'), { statusCode: 503, code: 'unavailable' });
  assert.equal(asked.length, 6, 'it may have run');
  await assert.rejects(workflows.trigger('w'), { statusCode: 503 });
  assert.equal(asked.length, 9, 'three times, because of the key');
});

test('a start that got no answer is repeated under the same key, an event under the same id', async (t) => {
  const { api, asked } = await serve(t, hangUp, hangUp, [200, { executionId: 'e' }], hangUp, [201, { id: 'e' }]);
  assert.deepEqual(await api().workflows.trigger('w', { n: 1 }), { executionId: 'e' });
  const keys = new Set(asked.map(({ headers }) => headers['idempotency-key']));
  assert.deepEqual([asked.length, keys.size], [3, 1]);
  await api().events.publish({ type: 'a', source: 's' });
  assert.deepEqual([asked.length, asked[3].body], [5, asked[4].body]);
  assert.match(JSON.parse(asked[4].body).id, /./);
});

test('what may have happened is not done twice', async (t) => {
  const { api, asked } = await serve(t, hangUp);
  const { functions, workflows, approvals } = api();
  const calls = [
    () => functions.execute('f'),
    () => workflows.create({ steps: [] }),
    () => approvals.answer('a', { approved: true }),
  ];
  for (const call of calls) {
    await assert.rejects(call(), ConnectionError);
  }
  assert.equal(asked.length, 3);
});

test('a server that is not there is a ConnectionError with its cause', async (t) => {
  const { server, api } = await serve(t, [200, 1]);
  await new Promise((closed) => server.close(closed));
  const error = await api({ retries: 1 })
    .workflows.list()
    .catch((error) => error);
  assert.ok(error instanceof ConnectionError && error.cause instanceof Error);
  assert.match(error.message, /^GET \/workflows: .*ECONNREFUSED/);
});

test('an answer that does not come, or does not end, is a TimeoutError', async (t) => {
  const half = (_, response) => response.writeHead(200).write('[');
  const { api, asked } = await serve(t, silence, half, [200, []]);
  const { workflows, functions } = api({ timeout: 50 });
  await assert.rejects(
    functions.execute('f'),
    (error) => error instanceof TimeoutError && /POST \/functions\/execute.* 50 ms/.test(error.message),
  );
  assert.deepEqual(await workflows.list(), [], 'a read is repeated');
  assert.equal(asked.length, 3);
});

test('a signal ends a call at once', async (t) => {
  const { api, asked } = await serve(t, silence);
  const [stop, why] = [new AbortController(), new Error('enough')];
  const call = api().workflows.list({ signal: stop.signal });
  while (asked.length < 1) await new Promise(setImmediate);
  stop.abort(why);
  await assert.rejects(call, why);
  await assert.rejects(api().workflows.list({ signal: AbortSignal.abort(why) }), why);
  assert.equal(asked.length, 1);
});

test('a signal ends a call between two attempts', async () => {
  const [stop, why] = [new AbortController(), new Error('enough')];
  let asked = 0;
  const fetch = async () => ((asked += 1), new Response('{}', { status: 429, headers: { 'retry-after': '20' } }));
  const began = performance.now();
  const call = createBusinessApi({ apiKey: KEY, fetch }).workflows.list({ signal: stop.signal });
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  stop.abort(why);
  await assert.rejects(call, why);
  assert.ok(asked === 1 && performance.now() - began < 10_000);
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  for (const [header, ms] of [
    [null, undefined],
    ['3', 3000],
    [' 0 ', 0],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 5000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['soon', undefined],
    ['-1x', undefined],
  ]) {
    assert.equal(retryAfter(header, now), ms, String(header));
  }
});

test('pauses grow, are spread, and are never shorter than asked for', () => {
  const longest = [1, 2, 3, 4, 5, 6, 60].map((n) => backoff(n, undefined, () => 1));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(
    backoff(3, undefined, () => 0),
    0,
  );
  assert.deepEqual([backoff(1, 2000, () => 0), backoff(1, 2000, () => 1), backoff(1, 31_000)], [2000, 2250, undefined]);
});
