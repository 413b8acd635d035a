import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readConfig } from '../src/config.js';
import { WildwardenError } from '../src/error.js';

test('what is left empty has its default', () => {
  assert.deepEqual(readConfig({ serverUrl: ' https://host:50051 ', apiKey: '', timeoutMs: null }), {
    serverUrl: 'https://host:50051/',
    apiKey: '',
    timeoutMs: 5_000,
    language: 'en',
  });
  assert.equal(readConfig({ serverUrl: 'http://host/below', timeoutMs: 250 }).serverUrl, 'http://host/below/');
  assert.equal(readConfig({ serverUrl: 'http://host', timeoutMs: 250 }).timeoutMs, 250);
});

test('what cannot be used is refused by its field, and no message holds the key', () => {
  for (const [stored, field] of [
    [undefined, 'serverUrl'],
    [{}, 'serverUrl'],
    [{ serverUrl: 'host:50051' }, 'serverUrl'],
    [{ serverUrl: 'ftp://host' }, 'serverUrl'],
    [{ serverUrl: 'https://user:hidden@host' }, 'serverUrl'],
    [{ serverUrl: 'https://host', apiKey: 'hidden key' }, 'apiKey'],
    [{ serverUrl: 'https://host', timeoutMs: '0' }, 'timeoutMs'],
    [{ serverUrl: 'https://host', timeoutMs: 'soon' }, 'timeoutMs'],
    [{ serverUrl: 'https://host', timeoutMs: '600001' }, 'timeoutMs'],
  ] as const) {
    assert.throws(
      () => readConfig(stored),
      (error) =>
        error instanceof WildwardenError &&
        error.reason === 'CONFIG_INVALID' &&
        error.field === field &&
        !error.message.includes('hidden'),
    );
  }
});
