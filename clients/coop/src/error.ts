import { record, text } from './json.js';

const CODES = [
  'INVALID_ARGUMENT',
  'FAILED_PRECONDITION',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'NOT_FOUND',
  'RESOURCE_EXHAUSTED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNKNOWN',
] as const;

/** What kind of failure: the server's codes, which are gRPC's, and for what fails on this side the one that fits. */
export type Code = (typeof CODES)[number];

export interface Details {
  readonly code: Code;
  /** Why, in a word that does not change when the sentence does. */
  readonly reason: string;
  /** Of HTTP; 0: there was no answer. */
  readonly status?: number;
  /** The field at fault, of INVALID_ARGUMENT; else empty. */
  readonly field?: string;
  readonly retryAfterMs?: number | undefined;
  /** Under which the server's log has the cause; else empty. */
  readonly requestId?: string;
}

/** Why there is no rating. */
export class WildwardenError extends Error {
  override readonly name = 'WildwardenError';
  readonly code: Code;
  readonly reason: string;
  readonly status: number;
  readonly field: string;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string;

  constructor(message: string, details: Details, options?: ErrorOptions) {
    super(`Wildwarden: ${message}`, options);
    this.code = details.code;
    this.reason = details.reason;
    this.status = details.status ?? 0;
    this.field = details.field ?? '';
    this.retryAfterMs = details.retryAfterMs;
    this.requestId = details.requestId ?? '';
  }

  /** Whether the same call may succeed a little later. */
  get isTransient(): boolean {
    return this.code === 'RESOURCE_EXHAUSTED' || this.code === 'UNAVAILABLE';
  }
}

/** What `response` refuses, as its problem details say (RFC 9457), or as its status does where something in between answered. */
export async function refusal(response: Response): Promise<WildwardenError> {
  const said = await response.text();
  const problem = record(parsed(said));
  const status = response.status;
  const message = text(problem['detail']) || text(problem['title']) || `HTTP ${status} ${response.statusText}`.trim();
  return new WildwardenError(message, {
    code: CODES.find((code) => code === problem['code']) ?? codeOf(status),
    reason: text(problem['reason']) || `HTTP_${status}`,
    status,
    field: text(problem['field']),
    retryAfterMs: milliseconds(problem['retryAfterMs']) ?? milliseconds(seconds(response.headers.get('retry-after'))),
    requestId: text(problem['requestId']),
  });
}

function parsed(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    return undefined;
  }
}

function milliseconds(given: unknown): number | undefined {
  return typeof given === 'number' && Number.isFinite(given) && given > 0 ? given : undefined;
}

function seconds(given: string | null): number | undefined {
  return given === null ? undefined : Number(given) * 1000;
}

function codeOf(status: number): Code {
  switch (status) {
    case 400:
      return 'INVALID_ARGUMENT';
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'PERMISSION_DENIED';
    case 404:
      return 'NOT_FOUND';
    case 429:
      return 'RESOURCE_EXHAUSTED';
    case 502:
    case 503:
      return 'UNAVAILABLE';
    case 504:
      return 'DEADLINE_EXCEEDED';
    default:
      return status >= 500 ? 'INTERNAL' : 'UNKNOWN';
  }
}
