/** What the tests give instead of a network, a clock and a Coop. */

import type { Environment } from '../src/client.js';
import type { RunInput, SignalContext, Stored } from '../src/coop.js';

export interface Call {
  readonly url: string;
  readonly method: string;
  readonly redirect: string | undefined;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

type Answer = Response | Error | Promise<Response>;

/** Answers one call after another with what `answers` has, the last one for ever, on a clock that only sleeping moves. */
export function world(...answers: ((init: RequestInit) => Answer)[]) {
  const calls: Call[] = [];
  const slept: number[] = [];
  const state = { now: 1_000 };
  const environment: Environment = {
    fetch: async (input, init = {}) => {
      const answer = answers[Math.min(calls.length, answers.length - 1)];
      calls.push({
        url: String(input),
        method: init.method ?? 'GET',
        redirect: init.redirect,
        headers: new Headers(init.headers),
        body: typeof init.body === 'string' ? (JSON.parse(init.body) as Record<string, unknown>) : {},
      });
      const said = await answer?.(init);
      if (said instanceof Response) {
        return said;
      }
      throw said ?? new Error('nothing to answer with');
    },
    now: () => state.now,
    sleep: async (ms) => {
      slept.push(ms);
      state.now += ms;
    },
    random: () => 0,
  };
  return { environment, calls, slept, state } as const;
}

export const answer = (body: unknown) => (): Response => Response.json(body);

export const refuse = (status: number, problem: object, headers: Record<string, string> = {}) => (): Response =>
  new Response(JSON.stringify({ type: 'about:blank', status, ...problem }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });

export const RATING = {
  requestId: 'r-1',
  listingId: '',
  risk: 0.8858,
  level: 'LEVEL_CRITICAL',
  suggestion: 'SUGGESTION_REVIEW',
  categories: [
    { category: 'ivory', probability: 0.8858, level: 'LEVEL_CRITICAL', unrated: false },
    { category: 'coral', probability: 0.01, level: 'LEVEL_MINIMAL', unrated: true },
  ],
  reasons: [
    { code: 'REASON_CODE_TEXT_EVIDENCE', category: 'ivory', arguments: { words: '象牙, 手镯', field: 'title' } },
    { code: 'REASON_CODE_IMAGE_EVIDENCE', category: 'coral', arguments: { image_id: '0' } },
    { code: 'REASON_CODE_MODEL_MISSING', category: '', arguments: { model: 'm' } },
  ],
  degraded: true,
  missing: ['model:m'],
};

export const SERVER = {
  version: '0.1.0',
  categories: [
    {
      name: 'ivory',
      titles: { en: 'Ivory', zh: '象牙' },
      descriptions: { en: 'Raw or worked.', zh: '原料及制品。' },
      ratedByImages: true,
      ratedByTexts: true,
    },
    { name: 'coral', titles: {}, descriptions: {}, ratedByImages: false, ratedByTexts: false },
  ],
  policy: { version: '7', sha256: 'ab'.repeat(32) },
};

export const STORED: Stored = { serverUrl: 'http://wildwarden.test/base', apiKey: 'secret', timeoutMs: '2000', language: 'en' };

export function context(stored: Stored | undefined = STORED): SignalContext {
  return { integrationId: 'WILDWARDEN', getCredential: async () => stored };
}

export const words = (value: string): RunInput => ({ orgId: 'org', value: { type: 'STRING', value } });

const scalar = (name: string, type: string) => ({ name, type, required: false, container: null });
const several = (name: string, valueScalarType: string) => ({
  name,
  type: 'ARRAY',
  required: false,
  container: { containerType: 'ARRAY', keyScalarType: null, valueScalarType },
});

/** A listing as Coop hands it over whole. */
export function item(data: Readonly<Record<string, unknown>>, schemaFieldRoles: object = { displayName: 'headline' }): RunInput {
  const schema = [
    scalar('body', 'STRING'),
    scalar('headline', 'STRING'),
    scalar('Title', 'STRING'),
    scalar('seller', 'ID'),
    several('tags', 'STRING'),
    scalar('cover', 'IMAGE'),
    several('photos', 'IMAGE'),
    several('media', 'MEDIA'),
  ];
  return { orgId: 'org', contentId: '42', value: { itemType: { name: 'Listing', schema, schemaFieldRoles }, data } };
}
