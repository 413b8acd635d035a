/** What is read of the answers of `proto/wildwarden/v1/risk.proto`, as canonical JSON. */

import { WildwardenError } from './error.js';
import { list, record, text, texts } from './json.js';

export interface Image {
  readonly imageId?: string;
  /** The file's bytes in base64. */
  readonly content: string;
}

/** A `ClassifyRequest`. */
export interface Request {
  readonly listingId?: string;
  readonly title?: string;
  readonly description?: string;
  readonly images: readonly Image[];
}

export interface Reason {
  readonly code: string;
  /** Empty: of the listing. */
  readonly category: string;
  readonly arguments: Readonly<Record<string, string>>;
}

export interface CategoryRating {
  readonly category: string;
  readonly probability: number;
  readonly level: string;
  readonly unrated: boolean;
}

/** A `ClassifyResponse`. */
export interface Rating {
  readonly requestId: string;
  readonly risk: number;
  readonly level: string;
  readonly suggestion: string;
  readonly categories: readonly CategoryRating[];
  readonly reasons: readonly Reason[];
  readonly degraded: boolean;
  readonly missing: readonly string[];
}

export interface CategoryInfo {
  readonly name: string;
  /** By language, as are `descriptions`. */
  readonly titles: Readonly<Record<string, string>>;
  readonly descriptions: Readonly<Record<string, string>>;
  readonly ratedByImages: boolean;
  readonly ratedByTexts: boolean;
}

/** A `GetServerInfoResponse`. */
export interface ServerInfo {
  readonly categories: readonly CategoryInfo[];
  readonly policy: { readonly version: string; readonly sha256: string };
}

export function asRating(answer: unknown): Rating {
  const said = record(answer);
  return {
    requestId: text(said['requestId']),
    risk: probability(said['risk'], 'risk'),
    level: text(said['level']),
    suggestion: text(said['suggestion']),
    categories: list(said['categories']).map(record).map((rated) => ({
      category: text(rated['category']),
      probability: probability(rated['probability'], 'probability'),
      level: text(rated['level']),
      unrated: rated['unrated'] === true,
    })),
    reasons: list(said['reasons']).map(record).map((reason) => ({
      code: text(reason['code']),
      category: text(reason['category']),
      arguments: texts(reason['arguments']),
    })),
    degraded: said['degraded'] === true,
    missing: list(said['missing']).map(text),
  };
}

export function asServerInfo(answer: unknown): ServerInfo {
  const said = record(answer);
  const policy = record(said['policy']);
  const categories = list(said['categories']).map(record).map((category) => ({
    name: text(category['name']),
    titles: texts(category['titles']),
    descriptions: texts(category['descriptions']),
    ratedByImages: category['ratedByImages'] === true,
    ratedByTexts: category['ratedByTexts'] === true,
  }));
  if (!Array.isArray(said['categories']) || !categories.every(({ name }) => /^[a-z][a-z0-9_]{0,31}$/.test(name))) {
    throw strange('categories without names');
  }
  return { categories, policy: { version: text(policy['version']), sha256: text(policy['sha256']) } };
}

/** A number that is not there is no zero here: another server's answer must not pass for a harmless listing. */
function probability(given: unknown, field: string): number {
  if (typeof given !== 'number' || !(given >= 0 && given <= 1)) {
    throw strange(`${field} is no probability`);
  }
  return given;
}

export function strange(what: string, options?: ErrorOptions): WildwardenError {
  return new WildwardenError(`the answer is not the contract's: ${what}`, { code: 'INTERNAL', reason: 'BAD_ANSWER' }, options);
}
