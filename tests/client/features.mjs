// What the client has beyond the examples, against the real server: `node features.mjs <project>`.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [project] = process.argv.slice(2);
const { ApiError, TimeoutError, ValidationError, createBusinessApi } = await import(
  pathToFileURL(join(project, 'node_modules/business-as-code/dist/index.js'))
);
const api = createBusinessApi({ apiKey: process.env.APIS_DO_KEY, baseUrl: process.env.BASE_URL });
const { workflows, functions, events, agents, approvals, schedules, secrets, webhooks } = api;
const refused = (statusCode, code) => (error) =>
  error instanceof ApiError && error.statusCode === statusCode && error.code === code;

async function functionsAreKept() {
  const one = await functions.put('double', 'export default ({ n }) => ({ n: n * 2 })');
  assert.deepEqual([one.id, one.version, await functions.execute('double', { n: 21 })], ['double', 1, { n: 42 }]);
  await functions.create({
    id: 'fails',
    source: 'export default (_, ctx) => { throw ctx.permanent("no_luck", "none today") }',
  });
  await assert.rejects(
    functions.execute('fails', {}),
    (error) => refused(422, 'no_luck')(error) && error.retryable === false,
  );
  await assert.rejects(functions.put('broken', 'export default ('), refused(422, 'invalid_script'));
  await functions.put('double', 'export default ({ n }) => ({ n: n + n + 0 })', { ifMatch: 1 });
  await assert.rejects(
    functions.put('double', 'export default () => 1', { ifMatch: 1 }),
    refused(412, 'precondition_failed'),
  );
  assert.equal((await functions.rollback('double')).version, 3);
  assert.equal((await functions.versions('double', { limit: 2 })).nextCursor, '2');
  assert.deepEqual(
    (await functions.list()).map(({ id }) => id),
    ['double', 'fails'],
  );
  assert.equal((await functions.get('double')).kind, one.kind);
}

async function workflowsAreChanged() {
  const steps = [{ id: 'a', type: 'function', function: 'double' }];
  await assert.rejects(workflows.update('double', { steps }), refused(412, 'precondition_failed'));
  assert.equal((await workflows.put('double', { steps })).revision, 1);
  assert.equal((await workflows.update('double', { steps, description: 'twice' }, { ifMatch: 1 })).revision, 2);
  assert.equal((await workflows.revisions('double')).items.length, 2);
  await assert.rejects(
    workflows.create({ name: 'x', steps: [{ id: 'a', type: 'nothing' }] }),
    refused(422, 'invalid_definition'),
  );
  await assert.rejects(
    workflows.create('x'),
    (error) => error instanceof ValidationError && error.field === 'workflow',
  );
  await assert.rejects(
    workflows.put('double', { id: 7, steps }),
    (error) => error instanceof ValidationError && error.field === 'id',
  );
  await workflows.put('gone', { steps });
  await workflows.delete('gone');
  await assert.rejects(workflows.trigger('gone'), refused(404, 'workflow_not_found'));
}

async function startsAreRepeatedSafely() {
  const start = (n) => workflows.trigger('double', { n }, { idempotencyKey: 'once' });
  const [{ executionId }, again] = [await start(4), await start(4)];
  assert.equal(again.executionId, executionId);
  await assert.rejects(start(5), refused(422, 'idempotency_key_reused'));
  assert.notEqual((await workflows.trigger('double', { n: 4 })).executionId, executionId);
  const ended = await workflows.waitFor(executionId);
  assert.deepEqual([ended.status, ended.result, ended.steps.a.status], ['completed', { n: 8 }, 'completed']);
  const rerun = await workflows.rerun(executionId, { input: { n: 5 } });
  assert.deepEqual((await workflows.waitFor(rerun.executionId)).result, { n: 10 });
  const page = await workflows.executions({
    workflow: 'double',
    status: ['completed', 'failed'],
    limit: 2,
    since: new Date(0),
  });
  assert.deepEqual([page.items.length, typeof page.nextCursor], [2, 'string']);
}

async function peopleAreWaitedFor() {
  await workflows.put('ask', {
    steps: [
      { id: 'before', type: 'function', function: 'double', next: 'who' },
      { id: 'who', type: 'human', next: 'after' },
      { id: 'after', type: 'condition', condition: 'result.approved' },
    ],
  });
  const { executionId } = await workflows.trigger('ask', { n: 1 });
  await assert.rejects(workflows.waitFor(executionId, { timeout: 50 }), TimeoutError);
  const seen = [];
  const reading = workflows.events(executionId);
  for (;;) {
    const { done, value } = await reading.next();
    if (done) {
      assert.deepEqual(value, { executionId, status: 'completed', state: 'completed' });
      break;
    }
    seen.push(value);
    if (value.entry === 'step_succeeded') await answer(executionId);
  }
  assert.deepEqual(
    seen.map(({ entry }) => entry),
    ['started', 'step_succeeded', 'approval_answered'],
  );
  assert.deepEqual((await workflows.history(executionId)).items, seen);
  const rest = [];
  for await (const { seq } of workflows.events(executionId, { lastEventId: 1 })) rest.push(seq);
  assert.deepEqual(rest, [2]);
  assert.deepEqual((await workflows.logs(executionId)).items, []);
  await assert.rejects(workflows.events('exec-none').next(), refused(404, 'execution_not_found'));
}

async function answer(execution) {
  for (;;) {
    const { items } = await approvals.list({ execution, status: 'pending' });
    if (items.length === 0) continue;
    assert.equal((await approvals.get(items[0].id)).step, 'who');
    const answered = await approvals.answer(items[0].id, { approved: true, comment: 'fine' });
    assert.equal(answered.status, 'approved');
    return assert.rejects(approvals.answer(items[0].id, { approved: true }), ApiError);
  }
}

async function executionsAreControlled() {
  const { executionId } = await workflows.trigger('ask', { n: 1 });
  assert.equal((await workflows.pause(executionId)).state, 'paused');
  assert.notEqual((await workflows.resume(executionId)).state, 'paused');
  const cancelled = await workflows.cancel(executionId, 'enough');
  assert.deepEqual([cancelled.status, cancelled.state], ['failed', 'cancelled']);
  await assert.rejects(workflows.cancel(executionId), refused(409, 'execution_ended'));
  const failing = await workflows.create({ id: 'failing', steps: [{ id: 'a', type: 'function', function: 'fails' }] });
  const failed = await workflows.trigger(failing.id);
  const { error, errorDetails } = await workflows.waitFor(failed.executionId);
  assert.equal(errorDetails.code, 'no_luck');
  assert.match(error, /none today/);
  await functions.put('fails', 'export default () => "at last"');
  await workflows.retry(failed.executionId);
  const again = await workflows.waitFor(failed.executionId);
  assert.equal(again.errorDetails?.code, 'no_luck', 'what was pinned is what runs');
}

async function eventsAreFound() {
  const event = { type: 'order.placed', source: 'shop', data: { total: 3 } };
  const published = await events.publish(event);
  assert.deepEqual(await events.publish({ ...event, id: published.id }), published);
  const found = await events.list({ type: 'order.*', source: 'shop' });
  assert.deepEqual(found, [published]);
  assert.deepEqual((await events.get(published.id)).started, []);
  await assert.rejects(
    events.publish({ source: 'shop' }),
    (error) => error instanceof ValidationError && error.field === 'type',
  );
}

async function agentsAndSecretsAreKept() {
  const agent = await agents.create({ name: 'Triage', role: 'triage', tools: ['double'] });
  assert.deepEqual([agent.id, agent.version, agent.warnings], ['triage', 1, []]);
  assert.equal((await agents.put('triage', { ...agent, role: 'other' }, { ifMatch: 1 })).version, 2);
  assert.deepEqual([(await agents.list()).length, (await agents.get('triage')).role], [1, 'other']);
  await assert.rejects(agents.assign('triage', 'sort the mail'), refused(422, 'agent_provider_not_configured'));
  await agents.delete('triage');
  await assert.rejects(agents.get('triage'), refused(404, 'agent_not_found'));
  assert.equal((await secrets.put('KEY', 'a secret')).version, 1);
  assert.deepEqual((await secrets.list()).items, [await secrets.get('KEY')]);
  await secrets.delete('KEY');
}

async function schedulesAreRunByHand() {
  const steps = [{ id: 'a', type: 'function', function: 'double' }];
  const nightly = {
    type: 'schedule',
    config: { cron: '0 3 * * *', timezone: 'Europe/London', id: 'nightly', input: { n: 2 } },
  };
  await workflows.put('report', { steps, triggers: [nightly] });
  const { items } = await schedules.list({ workflow: 'report' });
  assert.deepEqual([items.length, items[0].id, items[0].nextRuns.length], [1, 'report~nightly', 5]);
  const { executionId } = await schedules.run('report~nightly');
  assert.deepEqual((await workflows.waitFor(executionId)).result, { n: 4 });
  assert.deepEqual(
    [(await schedules.pause('report~nightly')).paused, (await schedules.resume('report~nightly')).paused],
    [true, false],
  );
  const span = { from: new Date('2026-01-01T00:00:00Z'), to: '2026-01-03T00:00:00Z' };
  const filled = await schedules.backfill('report~nightly', span);
  assert.deepEqual([filled.occurrences, filled.starting], [2, 2]);
  // They are started one after the other, behind the answer.
  while ((await workflows.executions({ workflow: 'report' })).items.length < 3);
  assert.equal((await workflows.waitFor(filled.items[0].executionId)).status, 'completed');
  assert.ok((await schedules.get('report~nightly')).firings.length >= 2);
  await assert.rejects(schedules.get('report~none'), refused(404, 'schedule_not_found'));
}

async function webhooksAreReplayed() {
  const steps = [{ id: 'a', type: 'function', function: 'double' }];
  await workflows.put('hook', { steps, triggers: [{ type: 'webhook', config: { path: '/webhooks/numbers' } }] });
  const headers = { 'content-type': 'application/json' };
  const sent = await fetch(`${process.env.BASE_URL}/webhooks/numbers`, { method: 'POST', headers, body: '{"n":4}' });
  assert.equal(sent.status, 202);
  const { executionId, deliveryId } = await sent.json();
  assert.deepEqual((await workflows.waitFor(executionId)).result, { n: 8 });
  const { items } = await webhooks.deliveries({ workflow: 'hook', status: ['accepted', 'started'] });
  assert.deepEqual([items.length, items[0].id, items[0].executionId], [1, deliveryId, executionId]);
  assert.equal((await webhooks.delivery(deliveryId)).path, '/webhooks/numbers');
  const again = await webhooks.replay(deliveryId);
  assert.notEqual(again.executionId, executionId);
  assert.deepEqual((await workflows.waitFor(again.executionId)).result, { n: 8 });
}

await functionsAreKept();
await workflowsAreChanged();
await startsAreRepeatedSafely();
await peopleAreWaitedFor();
await executionsAreControlled();
await eventsAreFound();
await agentsAndSecretsAreKept();
await schedulesAreRunByHand();
await webhooksAreReplayed();
console.log('features');
