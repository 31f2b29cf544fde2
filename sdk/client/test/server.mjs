// A server of one's own for each test: it answers what it is told, in order, and remembers what it was asked.
import { createServer } from 'node:http';
import { createBusinessApi } from '../dist/index.js';

export const KEY = 'test-key';

/** `answers` are functions (request, response, body), or [status, body, headers?]; the last one serves all further requests. */
export async function serve(t, ...answers) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const { method, url, headers } = request;
    asked.push({ method, url, headers, body });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (typeof answer === 'function') return answer(request, response, body);
    const [status, value, more] = answer;
    response.writeHead(status, { 'content-type': 'application/json', ...more });
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, server, baseUrl, api: (options) => createBusinessApi({ apiKey: KEY, baseUrl, ...options }) };
}

/** A problem as the server writes it. */
export function problem(status, code, more) {
  return {
    status,
    statusCode: status,
    code,
    message: `it is ${code}`,
    detail: `it is ${code}`,
    requestId: 'req-1',
    errors: [],
    ...more,
  };
}

/** Ends the connection without an answer. */
export function hangUp(request) {
  request.socket.destroy();
}

/** Never answers. */
export function silence() {}
