import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../src/client.js';
import { readConfig } from '../src/config.js';
import { WildwardenError } from '../src/error.js';
import type { Details } from '../src/error.js';
import { answer, RATING, refuse, SERVER, STORED, world } from './fakes.js';

const REQUEST = { title: '老象牙手串', images: [] };
const BUSY = { code: 'RESOURCE_EXHAUSTED', reason: 'WAIT_TOO_LONG', detail: 'full' };

function client(at: ReturnType<typeof world>, stored: object = {}): Client {
  return new Client(readConfig({ ...STORED, ...stored }), at.environment);
}

const fails = (expected: Partial<Details>) => (error: unknown): boolean => {
  assert.ok(error instanceof WildwardenError, String(error));
  assert.deepEqual({ ...error, ...expected }, { ...error });
  return true;
};

test('a call carries the listing, the key and the time that is left', async () => {
  const at = world(answer(RATING));
  const rating = await client(at).rate(REQUEST);
  assert.equal(rating.risk, 0.8858);
  assert.equal(at.calls.length, 1);
  const [call] = at.calls;
  assert.equal(call?.url, 'http://wildwarden.test/base/v1/listings:rate');
  assert.deepEqual([call.method, call.body, call.redirect], ['POST', REQUEST, 'error']);
  assert.equal(call.headers.get('authorization'), 'Bearer secret');
  assert.equal(call.headers.get('content-type'), 'application/json');
  assert.equal(call.headers.get('x-timeout-ms'), '1950');
});

test('without a key none is sent, and little time is told a little shorter', async () => {
  const at = world(answer(SERVER));
  const info = await client(at, { apiKey: '', timeoutMs: 80 }).serverInfo();
  assert.deepEqual(info.categories.map(({ name }) => name), ['ivory', 'coral']);
  assert.deepEqual([at.calls[0]?.method, at.calls[0]?.url], ['GET', 'http://wildwarden.test/base/v1/server']);
  assert.equal(at.calls[0]?.headers.get('authorization'), null);
  assert.equal(at.calls[0]?.headers.get('x-timeout-ms'), '70');
});

test('a busy server is asked again after as long as it says, with less time each time', async () => {
  const at = world(refuse(429, { ...BUSY, retryAfterMs: 300 }), refuse(503, { code: 'UNAVAILABLE' }), answer(RATING));
  await client(at).rate(REQUEST);
  assert.deepEqual(at.slept, [300, 50]);
  assert.deepEqual(at.calls.map(({ headers }) => headers.get('x-timeout-ms')), ['1950', '1650', '1600']);
});

test('what would come too late is refused at once, as the server refused it', async () => {
  const at = world(refuse(429, { ...BUSY, retryAfterMs: 2_000, requestId: 'r' }));
  await assert.rejects(
    client(at).rate(REQUEST),
    fails({ code: 'RESOURCE_EXHAUSTED', reason: 'WAIT_TOO_LONG', status: 429, retryAfterMs: 2_000, requestId: 'r' }),
  );
  assert.deepEqual([at.calls.length, at.slept], [1, []]);
});

test('a server that stays away is asked ever more slowly, within the deadline', async () => {
  const at = world(() => new TypeError('fetch failed'));
  await assert.rejects(client(at).rate(REQUEST), fails({ code: 'UNAVAILABLE', reason: 'UNREACHABLE', status: 0 }));
  assert.deepEqual(at.slept, [25, 50, 100, 200, 400, 500, 500]);
  assert.ok(at.state.now < 1_000 + 2_000);
});

test('what asking again does not mend is asked once', async () => {
  for (const [status, problem, expected] of [
    [
      400,
      { code: 'INVALID_ARGUMENT', reason: 'FIELD_INVALID', field: 'images', detail: 'too many' },
      { code: 'INVALID_ARGUMENT', reason: 'FIELD_INVALID', field: 'images', status: 400 },
    ],
    [401, { code: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED' }, { code: 'UNAUTHENTICATED' }],
    [403, { code: 'PERMISSION_DENIED', reason: 'PERMISSION_DENIED' }, { code: 'PERMISSION_DENIED' }],
    [504, { code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE_EXCEEDED' }, { code: 'DEADLINE_EXCEEDED' }],
    [500, { code: 'INTERNAL', reason: 'MODEL_FAILED' }, { code: 'INTERNAL', reason: 'MODEL_FAILED' }],
    // A code that this version does not know is told by its status.
    [404, { code: 'NEW_ONE' }, { code: 'NOT_FOUND', reason: 'HTTP_404' }],
  ] as const) {
    const at = world(refuse(status, problem));
    await assert.rejects(client(at).rate(REQUEST), fails(expected));
    assert.equal(at.calls.length, 1);
  }
});

test('a proxy that knows no problem details is understood by status and retry-after', async () => {
  const page = () => new Response('<html>', { status: 503, headers: { 'retry-after': '1' } });
  const at = world(page, answer(RATING));
  await client(at).rate(REQUEST);
  assert.deepEqual(at.slept, [1_000]);
  const dated = () => new Response('', { status: 503, headers: { 'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT' } });
  const other = world(dated, answer(RATING));
  await client(other).rate(REQUEST);
  assert.deepEqual(other.slept, [25]);
});

test("another server's answer is no rating", async () => {
  for (const body of [{}, { ...RATING, risk: '0.1' }, { ...RATING, risk: 1.5 }, { ...RATING, categories: [{ category: 'x' }] }, []]) {
    await assert.rejects(client(world(answer(body))).rate(REQUEST), fails({ code: 'INTERNAL', reason: 'BAD_ANSWER' }));
  }
  const page = world(() => new Response('<html>'));
  await assert.rejects(client(page).rate(REQUEST), fails({ reason: 'BAD_ANSWER' }));
  await assert.rejects(client(world(answer({}))).serverInfo(), fails({ reason: 'BAD_ANSWER' }));
});

test('a server that does not answer is left at the deadline, or when the host gives up', async () => {
  const never = (init: RequestInit) =>
    new Promise<Response>((_, fail) => {
      // The deadline's timer alone does not keep the process.
      const hold = setTimeout(() => undefined, 60_000);
      const left = () => {
        clearTimeout(hold);
        fail(init.signal?.reason as Error);
      };
      init.signal?.addEventListener('abort', left);
      if (init.signal?.aborted) {
        left();
      }
    });
  await assert.rejects(client(world(never), { timeoutMs: 20 }).rate(REQUEST), fails({ code: 'DEADLINE_EXCEEDED' }));
  const away = client(world(() => new TypeError('fetch failed'), never), { timeoutMs: 60 });
  await assert.rejects(away.rate(REQUEST), (error) => fails({ reason: 'UNREACHABLE' })((error as Error).cause));
  const reason = new Error('the host gave up');
  await assert.rejects(client(world(never)).serverInfo(AbortSignal.abort(reason)), reason);
});
