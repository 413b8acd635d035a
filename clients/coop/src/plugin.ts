import { createHash } from 'node:crypto';

import { catalogue, RISK } from './catalogue.js';
import type { Traits } from './catalogue.js';
import { Client, ENVIRONMENT } from './client.js';
import type { Environment } from './client.js';
import { readConfig } from './config.js';
import type { Config } from './config.js';
import type { CategoryInfo } from './contract.js';
import type { CatalogEntry, DisabledInfo, Plugin, RunInput, Signal, SignalContext } from './coop.js';
import { WildwardenError } from './error.js';
import { listingOf, requestOf } from './listing.js';
import type { Listing, ReadImage } from './listing.js';
import { manifest } from './manifest.js';
import { resultOf } from './result.js';
import type { Rated, Result } from './result.js';
import { Shared } from './shared.js';

export interface Options {
  /** What GET /v1/server answers, for a Coop that has no catalogues: one signal each, beside the overall risk. */
  readonly categories?: readonly CategoryInfo[];
  /** Of the names of those signals. */
  readonly language?: string;
  /** Where the host has images' bytes; absent: only those in the items themselves are rated. */
  readonly readImage?: ReadImage;
  /** Offer the signals for rules that act by themselves, too, and not for routing to review alone. */
  readonly automated?: boolean;
  readonly environment?: Partial<Environment>;
}

/** Coop rates an item's conditions within seconds of each other. */
const KEEP_MS = 30_000;
const MOST_KEPT = 1_000;
/** As Coop estimates its own signals that ask another service. */
const COST = 20;

export function pluginFor(options: Options = {}): Plugin<Result> {
  const environment = { ...ENVIRONMENT, ...options.environment };
  const shared = new Shared<Rated>(KEEP_MS, MOST_KEPT, environment.now);

  const traits = (language: string): Traits => ({
    language,
    // Images alone are offered only where their bytes can be had.
    eligibleInputs: options.readImage === undefined ? ['STRING', 'FULL_ITEM'] : ['STRING', 'FULL_ITEM', 'IMAGE', 'MEDIA'],
    allowedInAutomatedRules: options.automated ?? false,
  });

  const rate = async (config: Config, listing: Listing): Promise<Rated> => {
    const end = environment.now() + config.timeoutMs;
    const { request, unsentImages } = await requestOf(listing, options.readImage, AbortSignal.timeout(config.timeoutMs));
    return { rating: await new Client(config, environment).rate(request, end), unsentImages };
  };

  const signal = (entry: CatalogEntry, context: SignalContext): Signal<Result> => {
    const { signalTypeId, metadata, ...data } = entry;
    const category = metadata?.['category'];
    if (signalTypeId !== RISK && category === undefined) {
      throw new WildwardenError(`${signalTypeId} names no category`, { code: 'FAILED_PRECONDITION', reason: 'CATEGORY_GONE' });
    }
    return {
      ...data,
      id: { type: signalTypeId },
      integration: context.integrationId,
      getCost: () => COST,
      getDisabledInfo: async (orgId) => disabledInfo(await context.getCredential(orgId)),
      run: async (input: RunInput) => {
        const config = readConfig(await context.getCredential(input.orgId));
        const listing = listingOf(input);
        const key = hash([input.orgId, config.serverUrl, listing]);
        return resultOf(await shared.get(key, () => rate(config, listing)), category);
      },
    };
  };

  const known = catalogue(options.categories ?? [], traits(options.language ?? 'en'));

  return {
    manifest: manifest(known.map(({ signalTypeId }) => signalTypeId)),
    createSignals: (context) =>
      known.map((entry) => ({ signalTypeId: entry.signalTypeId, signal: signal(entry, context) })),
    refreshCatalog: async ({ getCredential, abortSignal }) => {
      const config = readConfig(await getCredential());
      const { categories, policy } = await new Client(config, environment).serverInfo(abortSignal);
      const version = `${policy.version} ${policy.sha256.slice(0, 12)}`.slice(0, 200);
      return { version, signals: catalogue(categories, traits(config.language)) };
    },
    createCatalogSignal: signal,
  };
}

function disabledInfo(stored: Parameters<typeof readConfig>[0]): DisabledInfo {
  try {
    readConfig(stored);
    return { disabled: false };
  } catch (error) {
    return { disabled: true, disabledMessage: error instanceof Error ? error.message : String(error) };
  }
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}
