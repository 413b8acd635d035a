/**
 * The part of Coop's plugin contract that is used here. The original is `types/integration.ts` of github.com/roostorg/coop; it is
 * declared again so that nothing need be installed.
 */

export interface ModelCardSection {
  readonly id: string;
  readonly title: string;
  readonly fields: readonly { readonly label: string; readonly value: string }[];
}

export interface ModelCard {
  readonly modelName: string;
  readonly version: string;
  readonly sections: readonly ModelCardSection[];
}

export interface ConfigField {
  readonly key: string;
  readonly label: string;
  readonly required: boolean;
  readonly inputType: 'text' | 'password';
  readonly placeholder?: string;
  readonly description?: string;
}

export interface Manifest {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly requiresConfig: boolean;
  readonly configurationFields: readonly ConfigField[];
  readonly signalTypeIds: readonly string[];
  readonly modelCard: ModelCard;
}

/** What Coop stores for an organisation: what its administrators typed in, so nothing about it is sure. */
export type Stored = Readonly<Record<string, unknown>>;

export interface SignalContext {
  readonly integrationId: string;
  readonly getCredential: (orgId: string) => Promise<Stored | undefined>;
}

export interface CatalogContext {
  readonly integrationId: string;
  readonly orgId: string;
  readonly getCredential: () => Promise<Stored | undefined>;
  readonly abortSignal: AbortSignal;
}

/** `value`: a scalar with its type, `{ type, value }`, or a whole item, `{ itemType, data }`. */
export interface RunInput {
  readonly value: unknown;
  readonly orgId: string;
  readonly contentId?: string;
}

export type DisabledInfo = { disabled: false } | { disabled: true; disabledMessage: string };

/** What a signal is, in data: what Coop keeps of a catalogue. */
export interface SignalData {
  readonly displayName: string;
  readonly description: string;
  readonly docsUrl: string | null;
  readonly recommendedThresholds: null;
  readonly supportedLanguages: readonly string[] | 'ALL';
  readonly pricingStructure: { readonly type: 'FREE' | 'SUBSCRIPTION' };
  readonly eligibleInputs: readonly string[];
  readonly outputType: { readonly scalarType: 'NUMBER' };
  readonly needsMatchingValues: boolean;
  readonly eligibleSubcategories: readonly never[];
  readonly needsActionPenalties: boolean;
  readonly allowedInAutomatedRules: boolean;
}

export interface CatalogEntry extends SignalData {
  readonly signalTypeId: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Signal<Result = unknown> extends SignalData {
  readonly id: { readonly type: string };
  readonly integration: string;
  readonly getCost: () => number;
  readonly run: (input: RunInput) => Promise<Result>;
  readonly getDisabledInfo: (orgId: string) => Promise<DisabledInfo>;
}

export interface SignalEntry<Result = unknown> {
  readonly signalTypeId: string;
  readonly signal: Signal<Result>;
}

export interface Plugin<Result = unknown> {
  readonly manifest: Manifest;
  readonly createSignals: (context: SignalContext) => readonly SignalEntry<Result>[];
  readonly refreshCatalog: (
    context: CatalogContext,
  ) => Promise<{ readonly version: string; readonly signals: readonly CatalogEntry[] }>;
  readonly createCatalogSignal: (entry: CatalogEntry, context: SignalContext) => Signal<Result>;
}
