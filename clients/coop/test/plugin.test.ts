import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import plugin, { pluginFor } from '../src/index.js';
import type { Options, Result } from '../src/index.js';
import type { CatalogContext, Signal, Stored } from '../src/coop.js';
import { answer, context, item, RATING, refuse, SERVER, STORED, words, world } from './fakes.js';

function refresh(stored: Stored): CatalogContext {
  return { integrationId: 'WILDWARDEN', orgId: 'org', getCredential: async () => stored, abortSignal: AbortSignal.timeout(1_000) };
}

function signals(options: Options): Record<string, Signal<Result>> {
  const made = pluginFor({ categories: SERVER.categories, ...options }).createSignals(context());
  return Object.fromEntries(made.map(({ signalTypeId, signal }) => [signalTypeId, signal]));
}

function signal(id: string, options: Options): Signal<Result> {
  const found = signals(options)[id];
  assert.ok(found, id);
  return found;
}

test('Coop, which requires its plugins, finds a manifest with everything that it asks for', () => {
  const require = createRequire(import.meta.url);
  const loaded = require('../src/index.js') as { default: typeof plugin };
  const { manifest } = loaded.default;
  assert.equal(manifest.id, 'WILDWARDEN');
  assert.equal(manifest.version, (require('../../package.json') as { version: string }).version);
  assert.equal(manifest.requiresConfig, true);
  assert.deepEqual(manifest.configurationFields.map(({ key }) => key), ['serverUrl', 'apiKey', 'timeoutMs', 'language']);
  // REQUIRED_MODEL_CARD_SECTION_IDS of Coop, without which it does not start.
  const sections = manifest.modelCard.sections.map(({ id }) => id);
  assert.deepEqual(sections, [
    'trainingData',
    'policyAndTaxonomy',
    'annotationMethodology',
    'performanceBenchmarks',
    'biasAndLimitations',
    'implementationGuidance',
    'relevantLinks',
  ]);
});

test('the signals are the overall risk and one a category, and the manifest lists them', () => {
  const ids = ['WILDWARDEN_RISK', 'WILDWARDEN_CATEGORY_IVORY', 'WILDWARDEN_CATEGORY_CORAL'];
  const known = pluginFor({ categories: SERVER.categories });
  assert.deepEqual(known.manifest.signalTypeIds, ids);
  const made = known.createSignals(context());
  assert.deepEqual(made.map(({ signalTypeId }) => signalTypeId), ids);
  assert.deepEqual(made.map(({ signal: { id } }) => id.type), ids);
  assert.deepEqual(plugin.createSignals(context()).map(({ signalTypeId }) => signalTypeId), ['WILDWARDEN_RISK']);
});

test('the catalogue is what the server looks for, in the language that was configured', async () => {
  const at = world(answer(SERVER));
  const { version, signals: entries } = await pluginFor(at).refreshCatalog(refresh({ ...STORED, language: 'zh-CN' }));
  assert.equal(at.calls[0]?.url, 'http://wildwarden.test/base/v1/server');
  assert.equal(version, '7 abababababab');
  assert.deepEqual(
    entries.map(({ displayName, metadata }) => [displayName, metadata?.['category']]),
    [
      ['Wildwarden: 总体风险', undefined],
      ['Wildwarden: 象牙', 'ivory'],
      ['Wildwarden: coral', 'coral'],
    ],
  );
  assert.match(entries[1]?.description ?? '', /^原料及制品。/);
  assert.match(entries[2]?.description ?? '', /服务中的模型都不评这个类别/);
  for (const { signalTypeId } of entries) {
    assert.match(signalTypeId, /^[A-Z][A-Z0-9_]{0,99}$/);
  }
});

test('a catalogue that Coop has stored makes the signals again, without a call', async () => {
  const at = world(answer(SERVER), answer(RATING));
  const made = pluginFor(at);
  const { signals: entries } = await made.refreshCatalog(refresh(STORED));
  const stored = JSON.parse(JSON.stringify(entries)) as typeof entries;
  const again = stored.map((entry) => made.createCatalogSignal(entry, context()));
  assert.equal(at.calls.length, 1);
  const scores = await Promise.all(again.map(async (each) => (await each.run(words('象牙'))).score));
  assert.deepEqual(scores, [0.8858, 0.8858, 0.01]);
  const { metadata: _, ...nameless } = stored[1] ?? assert.fail();
  assert.throws(() => made.createCatalogSignal(nameless, context()), { reason: 'CATEGORY_GONE' });
});

test('a refusal of the catalogue is told, so that Coop keeps the one it has', async () => {
  const at = world(refuse(403, { code: 'PERMISSION_DENIED', reason: 'PERMISSION_DENIED', detail: 'not with this role' }));
  await assert.rejects(pluginFor(at).refreshCatalog(refresh(STORED)), { code: 'PERMISSION_DENIED', status: 403 });
  await assert.rejects(pluginFor(at).refreshCatalog(refresh({})), { reason: 'CONFIG_INVALID' });
});

test('a score comes with its reasons', async () => {
  const input = item({ headline: '象牙手镯', cover: { url: 'https://a/1' } });
  const risk = await signal('WILDWARDEN_RISK', world(answer(RATING))).run(input);
  assert.deepEqual([risk.outputType, risk.score], [{ scalarType: 'NUMBER' }, 0.8858]);
  assert.equal(
    risk.matchedValue,
    'critical, review; ivory text_evidence (field=title, words=象牙, 手镯); coral image_evidence (image_id=0); ' +
      'model_missing (model=m); without model:m; images not sent: 1',
  );
  const coral = await signal('WILDWARDEN_CATEGORY_CORAL', world(answer(RATING))).run(input);
  assert.equal(coral.score, 0.01);
  assert.equal(
    coral.matchedValue,
    'minimal, review; nothing in it is rated for this; coral image_evidence (image_id=0); model_missing (model=m); ' +
      'without model:m; images not sent: 1',
  );
  assert.deepEqual(coral.details, {
    requestId: 'r-1',
    level: 'LEVEL_MINIMAL',
    suggestion: 'SUGGESTION_REVIEW',
    reasons: RATING.reasons.slice(1),
    unrated: true,
    degraded: true,
    missing: ['model:m'],
    unsentImages: 1,
  });
});

test('an explanation has an end, and not in the middle of a character', async () => {
  const reason = { code: 'REASON_CODE_CLAIM_TERM', category: 'ivory', arguments: { term: '𠮷'.repeat(9) } };
  const reasons = Array.from({ length: 99 }, () => reason);
  const { matchedValue } = await signal('WILDWARDEN_RISK', world(answer({ ...RATING, reasons }))).run(words('x'));
  assert.ok(matchedValue.length <= 1_000 && matchedValue.endsWith('…'));
  assert.ok(!/[\uD800-\uDBFF](?![\uDC00-\uDFFF])/.test(matchedValue));
});

test('the signals of one item share one call, and other items, organisations and later times do not', async () => {
  const at = world(answer(RATING));
  const made = Object.values(signals(at));
  const all = (value: string, orgId: string) => Promise.all(made.map((each) => each.run({ ...words(value), orgId })));
  await all('a', 'org');
  await all('a', 'org');
  assert.equal(at.calls.length, 1);
  await all('b', 'org');
  await all('a', 'other');
  assert.equal(at.calls.length, 3);
  at.state.now += 30_000;
  await all('a', 'org');
  assert.equal(at.calls.length, 4);
});

test('a failure is not shared with who asks later', async () => {
  const at = world(refuse(400, { code: 'INVALID_ARGUMENT', reason: 'FIELD_INVALID', field: 'images' }), answer(RATING));
  const risk = signal('WILDWARDEN_RISK', at);
  await assert.rejects(risk.run(words('a')), { name: 'WildwardenError', code: 'INVALID_ARGUMENT', field: 'images' });
  assert.equal((await risk.run(words('a'))).score, 0.8858);
});

test('a category that the policy has given up has no score', async () => {
  const at = world(answer({ ...RATING, categories: RATING.categories.slice(1) }));
  await assert.rejects(signal('WILDWARDEN_CATEGORY_IVORY', at).run(words('a')), { code: 'NOT_FOUND', reason: 'CATEGORY_GONE' });
});

test('a signal is disabled until it is configured, and says what is missing', async () => {
  const [{ signal: risk } = assert.fail()] = plugin.createSignals(context());
  assert.deepEqual(await risk.getDisabledInfo('org'), { disabled: false });
  const [{ signal: bare } = assert.fail()] = plugin.createSignals({ integrationId: 'WILDWARDEN', getCredential: async () => undefined });
  const info = await bare.getDisabledInfo('org');
  assert.ok(info.disabled && info.disabledMessage.includes('server URL'));
  await assert.rejects(bare.run(words('x')), { reason: 'CONFIG_INVALID' });
});

test('images alone are offered where the host has bytes, rules that act where the host says so', () => {
  const plain = signal('WILDWARDEN_RISK', {});
  assert.deepEqual([plain.eligibleInputs, plain.allowedInAutomatedRules], [['STRING', 'FULL_ITEM'], false]);
  const more = signal('WILDWARDEN_RISK', { readImage: async () => undefined, automated: true });
  assert.deepEqual([more.eligibleInputs, more.allowedInAutomatedRules], [['STRING', 'FULL_ITEM', 'IMAGE', 'MEDIA'], true]);
});
