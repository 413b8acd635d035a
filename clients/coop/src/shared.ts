/** One answer for all who ask the same at about the same time. Failures are not kept: who asks next tries again. */
export class Shared<T> {
  readonly #held = new Map<string, { readonly until: number; readonly answer: Promise<T> }>();
  readonly #keepMs: number;
  readonly #most: number;
  readonly #now: () => number;

  constructor(keepMs: number, most: number, now: () => number) {
    this.#keepMs = keepMs;
    this.#most = most;
    this.#now = now;
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const now = this.#now();
    // The oldest come first.
    for (const [old, { until }] of this.#held) {
      if (until > now && this.#held.size < this.#most) {
        break;
      }
      this.#held.delete(old);
    }
    const known = this.#held.get(key);
    if (known !== undefined) {
      return known.answer;
    }
    const answer = ask();
    const kept = { until: now + this.#keepMs, answer };
    this.#held.set(key, kept);
    answer.catch(() => {
      if (this.#held.get(key) === kept) {
        this.#held.delete(key);
      }
    });
    return answer;
  }
}
