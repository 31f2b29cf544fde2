// Sends webhooks as their providers sign them, with the providers' own libraries, to a server that was started for this:
//   node deliver.mjs <address of the server> <api key>
// It makes the workflows, sends, and fails at the first answer that is not as it must be.

import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, randomUUID, sign as signWithKey } from 'node:crypto'
import { sign as signForGithub } from '@octokit/webhooks-methods'
import bolt from '@slack/bolt'
import { Webhook as Standard } from 'standardwebhooks'
import Stripe from 'stripe'

const [address, key] = process.argv.slice(2)
const now = () => Math.floor(Date.now() / 1000)
const stripe = new Stripe('sk_test_of_nobody')

async function api(method, path, body) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(address + path, { method, headers, body: body && JSON.stringify(body) })
  return { status: response.status, body: await response.json() }
}

async function send(path, headers, body) {
  const type = headers['content-type'] ? {} : { 'content-type': 'application/json' }
  const response = await fetch(address + path, { method: 'POST', headers: { ...type, ...headers }, body })
  return { status: response.status, body: await response.json() }
}

/** A workflow whose result is what `shows` says of its input and event. */
async function workflow(id, shows, config) {
  const triggers = [{ type: 'webhook', config: { path: `/webhooks/${id}`, ...config } }]
  const steps = [{ id: 'only', type: 'condition', condition: 'true' }]
  const created = await api('POST', '/workflows', { id, steps, triggers, output: shows })
  assert.equal(created.status, 201, JSON.stringify(created.body))
  return `/webhooks/${id}`
}

/** It starts an execution whose result is true; the id of that. */
async function starts(path, headers, body) {
  const answer = await send(path, headers, body)
  assert.equal(answer.status, 202, `${path}: ${JSON.stringify(answer.body)}`)
  const execution = await api('GET', `/workflows/executions/${answer.body.executionId}?wait=10s`)
  assert.equal(execution.body.result, true, JSON.stringify(execution.body))
  assert.equal(execution.body.trigger.type, 'webhook')
  return answer.body.executionId
}

async function refused(path, headers, body, code) {
  const answer = await send(path, headers, body)
  assert.deepEqual([answer.status, answer.body.code], [401, code], `${path}: ${JSON.stringify(answer.body)}`)
}

/** What holds for every provider: `sign(secret, body, seconds, name)` gives the headers of a delivery with this name. */
async function provider(id, { secrets, sign, body, shows, timed, named, config }) {
  const path = await workflow(id, shows, { secrets, ...config })
  const text = JSON.stringify(body(randomUUID()))
  for (const secret of secrets) {
    const own = JSON.stringify(body(randomUUID()))
    await starts(path, await sign(secret, own, now(), randomUUID()), own)
  }
  await refused(path, await sign('whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBvbmU=', text, now(), 'n'), text, 'signature_invalid')
  await refused(path, await sign(secrets[0], text, now(), 'n'), `${text} `, 'signature_invalid')
  await refused(path, {}, text, 'signature_missing')
  if (timed) {
    for (const off of [-400, 400]) {
      await refused(path, await sign(secrets[0], text, now() + off, 'n'), text, 'signature_stale')
    }
  }
  if (named) {
    const name = randomUUID()
    const own = JSON.stringify(body(name))
    const first = await starts(path, await sign(secrets[0], own, now(), name), own)
    assert.equal(await starts(path, await sign(secrets[0], own, now(), name), own), first, 'the same delivery again')
  }
  console.log(`${id}: as its library signs it`)
}

await provider('stripe', {
  secrets: ['whsec_of_stripe_new', 'whsec_of_stripe_old'],
  config: { method: 'POST', validateSignature: true },
  body: (name) => ({ id: `evt_${name}`, object: 'event', type: 'charge.succeeded', data: { object: { amount: 2000 } } }),
  shows: "input.type === 'charge.succeeded' && event.data.data.object.amount === 2000",
  sign: async (secret, payload, timestamp) => ({
    'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }),
  }),
  timed: true,
  named: true,
})

await provider('github', {
  secrets: ['of github'],
  config: { scheme: 'github' },
  body: () => ({ action: 'opened', issue: { number: 7, title: 'Grüße 👋' } }),
  shows: "input.issue.title === 'Grüße 👋' && event.webhook.headers['x-github-event'] === 'issues'",
  sign: async (secret, payload, _, name) => ({
    'x-hub-signature-256': await signForGithub(secret, payload),
    'x-github-event': 'issues',
    ...(name ? { 'x-github-delivery': name } : {}),
  }),
  named: true,
})

await provider('standard', {
  secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_c2Vjb25kIHNlY3JldCBvZiB0aGlzIG9uZQ=='],
  config: { scheme: 'standard' },
  body: () => ({ type: 'invoice.paid', data: { total: 12 } }),
  shows: "input.type === 'invoice.paid'",
  sign: async (secret, payload, timestamp, name = randomUUID()) => ({
    'webhook-id': `msg_${name}`,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': new Standard(secret).sign(`msg_${name}`, new Date(timestamp * 1000), payload),
  }),
  timed: true,
  named: true,
})

/** Slack's recipe; its library only verifies, so what is signed here is shown to it first. */
function signForSlack(secret, body, timestamp) {
  const headers = {
    'x-slack-request-timestamp': String(timestamp),
    'x-slack-signature': `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`,
  }
  bolt.verifySlackRequest({ signingSecret: secret, body, headers: { ...headers, 'x-slack-request-timestamp': timestamp }, nowMilliseconds: timestamp * 1000 })
  return headers
}

await provider('slack', {
  secrets: ['8f742231b10e8888abcd99yyyzzz85a5'],
  config: { scheme: 'slack' },
  body: (name) => ({ type: 'event_callback', event_id: `Ev${name}`, event: { type: 'app_mention', text: 'hello' } }),
  shows: "input.event.text === 'hello'",
  sign: async (secret, payload, timestamp) => signForSlack(secret, payload, timestamp),
  timed: true,
  named: true,
})

{
  const challenge = JSON.stringify({ type: 'url_verification', token: 'x', challenge: '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P' })
  const secret = '8f742231b10e8888abcd99yyyzzz85a5'
  const answer = await send('/webhooks/slack', signForSlack(secret, challenge, now()), challenge)
  assert.deepEqual([answer.status, answer.body.challenge], [200, JSON.parse(challenge).challenge])
  await refused('/webhooks/slack', signForSlack('another', challenge, now()), challenge, 'signature_invalid')
  const command = 'token=x&team_id=T1DC2JH3J&command=%2Fweather&text=94070&response_url=https%3A%2F%2Fhooks.slack.com%2F'
  const path = await workflow('slash', "input.command === '/weather' && input.text === '94070'", { scheme: 'slack', secret })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  await starts(path, { ...form, ...signForSlack(secret, command, now()) }, command)
  const action = `payload=${encodeURIComponent(JSON.stringify({ type: 'block_actions', user: { id: 'U1' } }))}`
  const actions = await workflow('actions', "input.user.id === 'U1'", { scheme: 'slack', secret })
  await starts(actions, { ...form, ...signForSlack(secret, action, now()) }, action)
  console.log('slack: challenge, slash command, interaction')
}

{
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url')
  const path = await workflow('public', 'input.n === 1', { scheme: 'standard', secret: `whpk_${raw.toString('base64')}` })
  const [id, time, body] = ['msg_public', String(now()), '{"n":1}']
  const signature = signWithKey(null, Buffer.from(`${id}.${time}.${body}`), privateKey).toString('base64')
  const headers = { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': `v1a,${signature}` }
  await starts(path, headers, body)
  await refused(path, headers, '{"n":2}', 'signature_invalid')
  console.log('standard: with a public key')
}

{
  const secret = 'of the shop'
  const config = { scheme: 'hmac', header: 'X-Shopify-Hmac-Sha256', encoding: 'base64', secret }
  const path = await workflow('shop', 'input.total === 5', config)
  const sign = (body) => ({ 'x-shopify-hmac-sha256': createHmac('sha256', secret).update(body, 'utf8').digest('base64') })
  await starts(path, sign('{"total":5}'), '{"total":5}')
  await refused(path, sign('{"total":5}'), '{"total":6}', 'signature_invalid')
  console.log('hmac: in base64, as shops sign')
}
