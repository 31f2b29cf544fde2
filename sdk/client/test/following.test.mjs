// What takes long: server-sent events however they are cut, connections that break, servers that come back.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { TimeoutError } from '../dist/index.js';
import { Parser } from '../dist/sse.js';
import { problem, serve, silence } from './server.mjs';

const STREAM =
  '\uFEFF: hello\r\nid: 1\r\nevent: a\ndata: {"ü":"😀"}\n\nretry: 20\rdata\rdata:  two\r\r:\n\nid: 2\nid\ndata:x\n\nid: 3\0\ndata: y\r\n\r\nevent: lost\n\ndata: p\r\ndata: q\r\n\r\ndata: open';
const EVENTS = [
  { type: 'a', data: '{"ü":"😀"}', lastEventId: '1' },
  { type: 'message', data: '\n two', lastEventId: '1' },
  { type: 'message', data: 'x', lastEventId: '' },
  { type: 'message', data: 'y', lastEventId: '' },
  { type: 'message', data: 'p\nq', lastEventId: '' },
];

test('events are the same however their bytes are cut', () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const parser = new Parser();
    const events = [...parser.push(bytes.subarray(0, cut)), ...parser.push(bytes.subarray(cut))];
    assert.deepEqual(events, EVENTS, `cut at ${cut}`);
    assert.equal(parser.retry, 20);
  }
  const parser = new Parser();
  assert.deepEqual(
    [...bytes].flatMap((byte) => parser.push(new Uint8Array([byte]))),
    EVENTS,
    'byte by byte',
  );
});

test('an event without an end is given up', () => {
  const parser = new Parser();
  const much = new TextEncoder().encode('data: ' + 'x'.repeat(8 << 20));
  assert.throws(() => {
    for (let n = 0; n < 20; n++) parser.push(much);
  }, /longer than/);
});

function line(seq, entry = 'step_succeeded') {
  return `id: ${seq}\nevent: ${entry}\ndata: ${JSON.stringify({ seq, entry })}\n\n`;
}

const END = 'event: end\ndata: {"executionId":"e","status":"completed","state":"completed"}\n\n';

/** Sends this, and then ends the answer, breaks the connection, or leaves it open. */
function stream(text, then = 'end') {
  return (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text, () => {
      if (then === 'end') response.end();
      if (then === 'break') request.socket.destroy();
    });
  };
}

/** Every event's seq, and what the end was. */
async function all(events) {
  const seen = [];
  for (;;) {
    const { done, value } = await events.next();
    if (done) return [seen, value];
    seen.push(value.seq);
  }
}

test('reading along goes on behind the last line, whatever breaks', async (t) => {
  const { api, asked } = await serve(
    t,
    stream('retry: 1\n\n' + line(0, 'started') + line(1) + 'id: 2\nevent: x\nda', 'break'),
    [503, problem(503, 'unavailable'), { 'retry-after': '0' }],
    stream(line(2), 'end'),
    stream(END),
  );
  const [seen, end] = await all(api().workflows.events('e'));
  assert.deepEqual([seen, end.status], [[0, 1, 2], 'completed']);
  assert.deepEqual(
    asked.map(({ headers }) => headers['last-event-id']),
    [undefined, '1', '1', '2'],
  );
  assert.deepEqual(
    new Set(asked.map(({ url, headers }) => `${url} ${headers.accept}`)),
    new Set(['/workflows/executions/e/events text/event-stream']),
  );
});

test('reading along begins where it is told to', async (t) => {
  const { api, asked } = await serve(t, stream(END));
  await all(api().workflows.events('e', { lastEventId: 41 }));
  assert.equal(asked[0].headers['last-event-id'], '41');
});

test('whoever has read enough frees the connection', async (t) => {
  const { api, server } = await serve(t, stream(line(0) + line(1), 'stay'));
  const closed = once(server, 'connection').then(([socket]) => once(socket, 'close'));
  for await (const event of api().workflows.events('e')) {
    assert.equal(event.seq, 0);
    break;
  }
  await closed;
});

test('a signal ends the reading', async (t) => {
  const { api } = await serve(t, stream(line(0), 'stay'));
  const stop = new AbortController();
  const events = api().workflows.events('e', { signal: stop.signal });
  assert.equal((await events.next()).value.seq, 0);
  stop.abort(new Error('enough'));
  await assert.rejects(events.next(), { message: 'enough' });
});

test('what will not be different the next time is told at once', async (t) => {
  const { api, asked } = await serve(
    t,
    [404, problem(404, 'execution_not_found')],
    [200, {}],
    stream('data: {\n\n', 'stay'),
  );
  await assert.rejects(api().workflows.events('e').next(), { statusCode: 404, code: 'execution_not_found' });
  await assert.rejects(api().workflows.events('e').next(), { name: 'ApiError', message: /not text\/event-stream/ });
  await assert.rejects(api().workflows.events('e').next(), SyntaxError);
  assert.equal(asked.length, 3);
});

test('waiting asks again until the execution has ended, also after failures', async (t) => {
  const running = [200, { status: 'running' }];
  const gone = [503, problem(503, 'unavailable'), { 'retry-after': '0' }];
  const { api, asked } = await serve(t, running, gone, [200, { status: 'failed', error: 'x' }]);
  const began = performance.now();
  assert.deepEqual(await api().workflows.waitFor('e'), { status: 'failed', error: 'x' });
  assert.ok(performance.now() - began >= 990, 'a server that does not wait is not asked again at once');
  assert.deepEqual(
    asked.map(({ url }) => url),
    Array(3).fill('/workflows/executions/e?wait=30000'),
  );
});

test('waiting has an end of its own', async (t) => {
  const { api, asked } = await serve(t, (request, response) => {
    const wait = Number(new URL(request.url, 'http://x').searchParams.get('wait'));
    setTimeout(() => response.end('{"status":"running"}'), wait);
  });
  await assert.rejects(
    api().workflows.waitFor('e', { timeout: 100 }),
    (error) => error instanceof TimeoutError && /e has not ended within 100 ms/.test(error.message),
  );
  assert.deepEqual(
    [asked[0].url, asked.at(-1).url],
    ['/workflows/executions/e?wait=100', '/workflows/executions/e?wait=0'],
  );
});

test('waiting is ended by a signal, and by what will not be different', async (t) => {
  const { api, asked } = await serve(t, silence, [404, problem(404, 'execution_not_found')]);
  const stop = new AbortController();
  const waiting = api().workflows.waitFor('e', { signal: stop.signal });
  while (asked.length < 1) await new Promise(setImmediate);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, { message: 'enough' });
  await assert.rejects(api().workflows.waitFor('e'), { code: 'execution_not_found' });
});
