/** Against a real server with the shipped models, at WILDWARDEN_SERVER, such as http://127.0.0.1:50051; WILDWARDEN_KEY: where it asks for one. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { Client, pluginFor, readConfig, WildwardenError } from '../src/index.js';
import { item } from './fakes.js';

const OFFER = '老象牙手串 包浆好 私聊';
const HARMLESS = '连衣裙 夏季新款 包邮';
const TUSK = new URL('../../../../tests/fixtures/images/tusk.jpg', import.meta.url);

const serverUrl = process.env['WILDWARDEN_SERVER'] ?? '';
const stored = { serverUrl, apiKey: process.env['WILDWARDEN_KEY'] ?? '', timeoutMs: '60000' };
const context = { integrationId: 'WILDWARDEN', getCredential: async () => stored };
const skip = serverUrl === '' && 'WILDWARDEN_SERVER is not set';

test('what the server looks for becomes signals, and they rate', { skip }, async () => {
  const { categories } = await new Client(readConfig(stored)).serverInfo();
  assert.ok(categories.length > 0);
  const made = pluginFor({ categories }).createSignals(context);
  assert.equal(made.length, categories.length + 1);
  const rate = (headline: string) => Promise.all(made.map(({ signal }) => signal.run(item({ headline }))));
  const offer = await rate(OFFER);
  for (const { score, matchedValue } of offer) {
    assert.ok(score >= 0 && score <= 1, matchedValue);
  }
  const [risk, ...each] = offer;
  const rated = each.filter(({ details }) => !details.unrated).map(({ score }) => score);
  assert.equal(risk?.score, Math.max(...rated));
  assert.ok(risk.details.reasons.length > 0, risk.matchedValue);
  const [harmless] = await rate(HARMLESS);
  assert.ok(harmless && harmless.score < risk.score);
});

test('the catalogue rates as the signals do', { skip }, async () => {
  const plugin = pluginFor();
  const abortSignal = AbortSignal.timeout(60_000);
  const { version, signals } = await plugin.refreshCatalog({ ...context, orgId: 'org', abortSignal });
  assert.ok(version.length > 0);
  const scores = await Promise.all(
    signals.map(async (entry) => (await plugin.createCatalogSignal(entry, context).run(item({ headline: OFFER }))).score),
  );
  assert.equal(scores[0], Math.max(...scores));
});

test('a photo that the host reads is rated', { skip }, async () => {
  const plugin = pluginFor({ readImage: () => readFile(TUSK) });
  const [{ signal } = assert.fail()] = plugin.createSignals(context);
  const { details } = await signal.run(item({ cover: { url: 'https://shop.example/tusk.jpg' } }));
  assert.equal(details.unsentImages, 0);
  assert.ok(!details.missing.includes('image') && !details.missing.includes('image:cover'), String(details.missing));
});

test('a refusal names the field, a deadline that is too short is told', { skip }, async () => {
  const empty = new Client(readConfig(stored)).rate({ images: [] });
  await assert.rejects(empty, { code: 'INVALID_ARGUMENT', reason: 'FIELD_INVALID', field: 'images', status: 400 });
  const late = new Client(readConfig({ ...stored, timeoutMs: '1' })).rate({ title: OFFER, images: [] });
  await assert.rejects(late, (error) => {
    assert.ok(error instanceof WildwardenError);
    return ['DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'].includes(error.code);
  });
});
