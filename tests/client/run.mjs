// Runs the examples that prepare.mjs has made and tsc has compiled: `node run.mjs <project>`, with BASE_URL and APIS_DO_KEY in the environment.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [project] = process.argv.slice(2);
const at = (name) => join(project, 'out', `${name}.js`);
const { ApiError, createBusinessApi } = await import(
  pathToFileURL(join(project, 'node_modules/business-as-code/dist/index.js'))
);
const api = createBusinessApi({ apiKey: process.env.APIS_DO_KEY, baseUrl: process.env.BASE_URL });
const { log, error: logError } = console;
let runs = 0;

/** Runs an example; what it wrote, line by line. */
async function run(name) {
  const lines = [];
  console.log = console.error = (...values) => lines.push(values);
  try {
    await import(`${pathToFileURL(at(name))}?${(runs += 1)}`);
  } finally {
    Object.assign(console, { log, error: logError });
  }
  return lines;
}

/** Every function and tool that an example names: one script does for all of them. */
async function register() {
  const names = new Set(['elided']);
  for (const name of EXAMPLES) {
    const code = readFileSync(join(project, 'examples', `${name}.ts`), 'utf8');
    for (const [, id] of code.matchAll(/function: '([^']+)'/g)) names.add(id);
    for (const [, tools] of code.matchAll(/tools: \[([^\]]+)\]/g)) {
      for (const [, id] of tools.matchAll(/'([^']+)'/g)) names.add(id);
    }
  }
  const result = { status: 'succeeded', success: true, total: 5000, payments: [{ id: 'p1' }, { id: 'p2' }] };
  const source = `export default () => (${JSON.stringify(result)})`;
  for (const id of names) await api.functions.put(id, source);
}

/** A workflow of one step, as the examples take it for granted. */
const known = (id, more) =>
  api.workflows.put(id, { steps: [{ id: 'only', type: 'function', function: 'elided' }], ...more });

/** The example creates this workflow; it is run, and must end so. */
async function creates(name, id, code) {
  const lines = await run(name);
  const stored = await api.workflows.get(id);
  const { executionId } = await api.workflows.trigger(id, { customer: { lifetimeValue: 20_000, purchases: 6 } });
  const ended = await api.workflows.waitFor(executionId, { timeout: 60_000 });
  assert.equal(ended.errorDetails?.code, code, `${name}: ${ended.error}`);
  assert.equal(ended.status, code === undefined ? 'completed' : 'failed');
  return { lines, stored, ended };
}

/** What an event has started, as soon as it has started something. */
async function started(type, data) {
  const { id } =
    data === undefined
      ? (await api.events.list({ type }))[0]
      : await api.events.publish({ type, source: 'test', data });
  for (;;) {
    const event = await api.events.get(id);
    if ([...event.started, ...event.notStarted].length >= (await listeners(type))) return event;
  }
}

const listeners = async (type) =>
  (await api.workflows.list()).filter(({ triggers = [] }) => triggers.some(({ config }) => config?.eventType === type))
    .length;

const AGENT = 'agent_provider_not_configured';
/** What is there before each example, and what it must come to. */
const RUNS = {
  '01-overview': async (name) => {
    await known('onboard-customer', { name: 'Onboard Customer', description: 'Welcome' });
    const [[label, status], [second]] = await run(name);
    assert.deepEqual([label, second], ['Status:', 'Result:']);
    assert.ok(['pending', 'running', 'completed'].includes(status), status);
  },
  '02-trigger': async (name) => {
    await known('send-welcome-email');
    const [[label, id]] = await run(name);
    assert.equal(label, 'Execution ID:');
    assert.equal((await api.workflows.waitFor(id)).status, 'completed');
  },
  '03-onboarding': async (name) => {
    const lines = await run(name);
    assert.match(lines[0][1], /^exec-/);
    assert.deepEqual([lines.at(-1)[0], lines.at(-1)[1].status], ['Onboarding completed:', 'succeeded']);
  },
  '04-error-handling': async (name) => {
    assert.deepEqual(await run(name), [['Workflow not found']]);
    await known('process-order', { inputSchema: { type: 'object', properties: { orderId: { type: 'number' } } } });
    const [[label, body]] = await run(name);
    assert.deepEqual(
      [label, body.code, body.errors[0].pointer],
      ['Invalid workflow input:', 'invalid_input', '/orderId'],
    );
    await known('process-order');
    assert.deepEqual(await run(name), []);
    const key = process.env.APIS_DO_KEY;
    process.env.APIS_DO_KEY = 'swk_unknown';
    assert.deepEqual(await run(name), [['Failed to trigger workflow:', 'this API key is not known']]);
    process.env.APIS_DO_KEY = key;
    await api.workflows.delete('process-order');
  },
  '05-status': async (name) => {
    await assert.rejects(run(name), (error) => error instanceof ApiError && error.statusCode === 404);
    const { executionId } = await api.workflows.trigger('onboard-customer', {});
    await api.workflows.waitFor(executionId);
    writeFileSync(at(`${name}-real`), readFileSync(at(name), 'utf8').replace('exec-abc123', executionId));
    const [[, status], [label, result]] = await run(`${name}-real`);
    assert.deepEqual([status, label, result.success], ['completed', 'Result:', true]);
  },
  '06-polling': async (name) => {
    await known('process-data');
    const [[label, result]] = await run(name);
    assert.deepEqual([label, result.success], ['Result:', true]);
  },
  '07-list': async (name) => {
    const lines = await run(name);
    assert.deepEqual(lines.slice(0, 3), [['Onboard Customer (onboard-customer)'], [' Steps: 1'], [' Triggers: 0']]);
  },
  '08-types': run,
  '09-get': async (name) =>
    assert.deepEqual(await run(name), [
      ['Workflow:', 'Onboard Customer'],
      ['Description:', 'Welcome'],
      ['Steps:', 1],
    ]),
  '10-create': async (name) => {
    const { lines, stored } = await creates(name, 'process-order');
    assert.deepEqual([lines, stored.steps.length], [[['Created workflow:', 'process-order']], 6]);
  },
  '11-sequential': (name) => creates(name, 'customer-onboarding'),
  '12-conditional': async (name) => {
    const { ended } = await creates(name, 'approve-purchase');
    assert.deepEqual(
      [ended.steps['auto-approve'].status, ended.steps['require-approval'].status],
      ['completed', 'skipped'],
    );
  },
  '13-parallel': async (name) => {
    const { ended } = await creates(name, 'multi-channel-notification');
    assert.equal(ended.steps['track-results'].runs, 1);
  },
  '14-loop': async (name) => {
    const { ended } = await creates(name, 'retry-failed-payments');
    assert.equal(ended.steps['process-batch'].iterations, 2);
  },
  '15-human': (name) => creates(name, 'content-review-workflow', AGENT),
  '16-event-trigger': async (name) => {
    await run(name);
    const event = await started('order.created');
    assert.deepEqual(event.data, { orderId: 'order-123' });
    const own = event.started.find(({ workflowId }) => workflowId === 'handle-new-order');
    assert.equal((await api.workflows.waitFor(own.executionId)).status, 'completed');
  },
  '17-schedule-trigger': (name) => creates(name, 'daily-report-generation'),
  '18-webhook-trigger': async (name) => {
    const { stored } = await creates(name, 'process-stripe-webhook');
    assert.equal(stored.triggers[0].config.secret, '***');
    const [at, body] = [Math.floor(Date.now() / 1000), '{"id":"evt_1","type":"charge.succeeded"}'];
    const signature = createHmac('sha256', process.env.STRIPE_WEBHOOK_SECRET).update(`${at}.${body}`).digest('hex');
    const headers = { 'content-type': 'application/json', 'stripe-signature': `t=${at},v1=${signature}` };
    const sent = await fetch(`${process.env.BASE_URL}/webhooks/stripe`, { method: 'POST', headers, body });
    assert.equal(sent.status, 202);
    const { executionId } = await sent.json();
    assert.equal((await api.workflows.waitFor(executionId)).status, 'completed');
  },
  '19-manual-trigger': async (name) => {
    await run(name);
    const { items } = await api.workflows.executions({ workflow: 'manual-data-import' });
    assert.equal(items.length, 1);
  },
  '20-conditional-trigger': async (name) => {
    await run(name);
    for (const [total, isStarted] of [
      [2000, true],
      [500, false],
    ]) {
      const event = await started('order.created', { total });
      assert.equal(
        event.started.some(({ workflowId }) => workflowId === 'high-value-order-processing'),
        isStarted,
        `total ${total}`,
      );
    }
  },
  '21-order-fulfillment': async (name) => {
    const { ended } = await creates(name, 'order-fulfillment-workflow');
    assert.equal(ended.steps['notify-warehouse'].status, 'completed');
  },
  '22-support-ticket': (name) => creates(name, 'support-ticket-workflow', AGENT),
  '23-focused-steps': async (name) => {
    await creates(name, 'focused');
    assert.equal((await api.workflows.get('too-much')).steps[0].name, 'Process Everything');
  },
  '24-handle-errors': (name) => creates(name, 'payment-with-error-handling'),
  '25-descriptive-names': (name) => creates(name, 'customer-onboarding-with-trial-period'),
  '26-complex-logic': (name) => creates(name, 'eligibility'),
};
const EXAMPLES = Object.keys(RUNS);

await register();
for (const name of EXAMPLES) {
  await RUNS[name](name).catch((error) => {
    throw new Error(`${name}: ${error.stack}`);
  });
}
log(`${EXAMPLES.length} examples`);
