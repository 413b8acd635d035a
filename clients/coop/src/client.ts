import { setTimeout as sleep } from 'node:timers/promises';

import type { Config } from './config.js';
import { asRating, asServerInfo, strange } from './contract.js';
import type { Rating, Request, ServerInfo } from './contract.js';
import { refusal, WildwardenError } from './error.js';

/** What the client has from outside, so that tests need neither a network nor patience. */
export interface Environment {
  readonly fetch: typeof fetch;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  readonly sleep: (ms: number, abort?: AbortSignal) => Promise<unknown>;
  /** In [0, 1). */
  readonly random: () => number;
}

export const ENVIRONMENT: Environment = {
  fetch: (input, init) => fetch(input, init),
  now: () => performance.now(),
  sleep: (ms, abort) => sleep(ms, undefined, abort && { signal: abort }),
  random: Math.random,
};

/** How much less than it has the client tells the server, at most, so that the server's own refusal still arrives. */
const LEAD_MS = 50;
const FIRST_BACKOFF_MS = 50;
const LAST_BACKOFF_MS = 1_000;

/** Calls one server. What it throws is a {@link WildwardenError}, unless an `abort` that it was given ends the call. */
export class Client {
  readonly #config: Config;
  readonly #environment: Environment;

  constructor(config: Config, environment: Environment = ENVIRONMENT) {
    this.#config = config;
    this.#environment = environment;
  }

  /** Rates a listing. `end`: until when, by the environment's clock. */
  async rate(request: Request, end = this.#end()): Promise<Rating> {
    return asRating(await this.#call('POST', 'v1/listings:rate', JSON.stringify(request), end));
  }

  async serverInfo(abort?: AbortSignal): Promise<ServerInfo> {
    return asServerInfo(await this.#call('GET', 'v1/server', null, this.#end(), abort));
  }

  #end(): number {
    return this.#environment.now() + this.#config.timeoutMs;
  }

  async #call(method: string, path: string, body: string | null, end: number, abort?: AbortSignal): Promise<unknown> {
    let before: WildwardenError | undefined;
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await this.#attempt(method, path, body, end - this.#environment.now(), before, abort);
      if (!(outcome instanceof WildwardenError)) {
        return outcome;
      }
      before = outcome;
      const wait = Math.max(outcome.retryAfterMs ?? 0, this.#backoff(attempt));
      // What could only come too late is not waited for: the refusal says more than a deadline that has passed.
      if (!outcome.isTransient || wait >= end - this.#environment.now()) {
        throw outcome;
      }
      await this.#environment.sleep(wait, abort);
    }
  }

  /** The answer, or why there is none. `before`: why there was none so far. */
  async #attempt(
    method: string,
    path: string,
    body: string | null,
    left: number,
    before?: WildwardenError,
    abort?: AbortSignal,
  ): Promise<unknown> {
    if (left <= 0) {
      return late(before);
    }
    const timeout = AbortSignal.timeout(Math.ceil(left));
    const headers: Record<string, string> = {
      accept: 'application/json, application/problem+json',
      'x-timeout-ms': String(Math.max(1, Math.floor(left - Math.min(left / 8, LEAD_MS)))),
    };
    if (body !== null) {
      headers['content-type'] = 'application/json';
    }
    if (this.#config.apiKey !== '') {
      headers['authorization'] = `Bearer ${this.#config.apiKey}`;
    }
    try {
      const response = await this.#environment.fetch(new URL(path, this.#config.serverUrl), {
        method,
        headers,
        body,
        // A listing and a key go where they were sent, and nowhere else.
        redirect: 'error',
        signal: abort === undefined ? timeout : AbortSignal.any([timeout, abort]),
      });
      return response.ok ? await response.json() : await refusal(response);
    } catch (cause) {
      abort?.throwIfAborted();
      if (timeout.aborted) {
        return late(before);
      }
      if (cause instanceof SyntaxError) {
        return strange('no JSON', { cause });
      }
      return new WildwardenError('cannot be reached', { code: 'UNAVAILABLE', reason: 'UNREACHABLE' }, { cause });
    }
  }

  /** Doubles, and is drawn from its upper half: those that were refused together do not come back together. */
  #backoff(attempt: number): number {
    const most = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
    return most * (0.5 + this.#environment.random() / 2);
  }
}

function late(cause: WildwardenError | undefined): WildwardenError {
  const details = { code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE_EXCEEDED' } as const;
  return new WildwardenError('the deadline has passed', details, cause && { cause });
}
