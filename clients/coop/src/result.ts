/** From a rating to what a signal answers. */

import type { Rating, Reason } from './contract.js';
import { WildwardenError } from './error.js';

export interface Rated {
  readonly rating: Rating;
  readonly unsentImages: number;
}

/** What Coop reads, and beside it what the rating rests on. */
export interface Result {
  readonly outputType: { readonly scalarType: 'NUMBER' };
  /** In [0, 1]. */
  readonly score: number;
  /** Why, in a line for a moderator. */
  readonly matchedValue: string;
  readonly details: {
    readonly requestId: string;
    readonly level: string;
    readonly suggestion: string;
    readonly reasons: readonly Reason[];
    /** The score is the policy's prior: nothing in the listing is rated for it. */
    readonly unrated: boolean;
    readonly degraded: boolean;
    readonly missing: readonly string[];
    /** Images whose bytes nobody had: the score is without them. */
    readonly unsentImages: number;
  };
}

/** What is shown, and stored with every item, has an end. */
const MOST_EXPLANATION = 1_000;

/** What the signal of `category` answers; undefined: that of the overall risk. */
export function resultOf({ rating, unsentImages }: Rated, category: string | undefined): Result {
  const { requestId, suggestion, degraded, missing } = rating;
  const part = partOf(rating, category);
  const reasons = rating.reasons.filter(
    (reason) => category === undefined || reason.category === category || reason.category === '',
  );
  const said = [
    `${word(part.level, 'LEVEL_')}, ${word(suggestion, 'SUGGESTION_')}`,
    ...(part.unrated ? ['nothing in it is rated for this'] : []),
    ...reasons.map(line),
    ...(missing.length > 0 ? [`without ${missing.join(', ')}`] : []),
    ...(unsentImages > 0 ? [`images not sent: ${unsentImages}`] : []),
  ];
  return {
    outputType: { scalarType: 'NUMBER' },
    score: part.score,
    matchedValue: cut(said.join('; ')),
    details: { requestId, level: part.level, suggestion, reasons, unrated: part.unrated, degraded, missing, unsentImages },
  };
}

function partOf(rating: Rating, category: string | undefined): { score: number; level: string; unrated: boolean } {
  if (category === undefined) {
    const { risk, level, categories } = rating;
    return { score: risk, level, unrated: categories.length > 0 && categories.every(({ unrated }) => unrated) };
  }
  const rated = rating.categories.find((each) => each.category === category);
  if (rated === undefined) {
    const message = `the policy does not look for ${category} any more: refresh the signals`;
    throw new WildwardenError(message, { code: 'NOT_FOUND', reason: 'CATEGORY_GONE' });
  }
  return { score: rated.probability, level: rated.level, unrated: rated.unrated };
}

/** As in `ivory text_evidence (field=title, words=...)`. */
function line({ code, category, arguments: values }: Reason): string {
  const pairs = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`);
  return `${category} ${word(code, 'REASON_CODE_')}${pairs.length > 0 ? ` (${pairs.join(', ')})` : ''}`.trim();
}

function word(value: string, prefix: string): string {
  return (value.startsWith(prefix) ? value.slice(prefix.length) : value).toLowerCase();
}

function cut(said: string): string {
  // Not in the middle of a character.
  return said.length <= MOST_EXPLANATION ? said : `${said.slice(0, MOST_EXPLANATION - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
