/** The signals in data: the overall risk, and one a category that the server says it looks for. */

import type { CatalogEntry, SignalData } from './coop.js';
import type { CategoryInfo } from './contract.js';

export const RISK = 'WILDWARDEN_RISK';

export interface Traits {
  readonly language: string;
  readonly eligibleInputs: readonly string[];
  readonly allowedInAutomatedRules: boolean;
}

interface Phrases {
  readonly risk: string;
  readonly riskIs: string;
  readonly categoryIs: string;
  readonly unrated: string;
}

const PHRASES: Readonly<Record<string, Phrases>> = {
  en: {
    risk: 'overall risk',
    riskIs:
      'Calibrated probability, 0 to 1, that the listing offers a prohibited wildlife product: the highest of all categories. ' +
      'A suspicion, for a person to check.',
    categoryIs: 'Calibrated probability, 0 to 1, that the listing offers it. A suspicion, for a person to check.',
    unrated: 'No model in service rates it.',
  },
  zh: {
    risk: '总体风险',
    riskIs: '商品信息出售违禁野生动物制品的校准概率（0 到 1），取各类别中的最高值。仅为线索，须由人核实。',
    categoryIs: '商品信息出售该类制品的校准概率（0 到 1）。仅为线索，须由人核实。',
    unrated: '服务中的模型都不评这个类别。',
  },
};

export function catalogue(categories: readonly CategoryInfo[], traits: Traits): readonly CatalogEntry[] {
  const phrases = inLanguage(PHRASES, traits.language) as Phrases;
  return [
    { signalTypeId: RISK, ...data(phrases.risk, phrases.riskIs, traits) },
    ...categories.map((category) => {
      const { name, titles, descriptions, ratedByImages, ratedByTexts } = category;
      const description = [
        inLanguage(descriptions, traits.language) ?? '',
        phrases.categoryIs,
        ratedByImages || ratedByTexts ? '' : phrases.unrated,
      ];
      return {
        signalTypeId: `WILDWARDEN_CATEGORY_${name.toUpperCase()}`,
        metadata: { category: name },
        ...data(inLanguage(titles, traits.language) ?? name, description.filter(Boolean).join(' '), traits),
      };
    }),
  ];
}

function data(name: string, description: string, { eligibleInputs, allowedInAutomatedRules }: Traits): SignalData {
  return {
    // Coop refuses a whole catalogue for one text that is too long.
    displayName: `Wildwarden: ${name}`.slice(0, 200),
    description: description.slice(0, 2_000),
    docsUrl: null,
    // Where a person should look is the policy's to say, and differs from one marketplace to the next.
    recommendedThresholds: null,
    // Photos have no language, and of a text in one that is not read the rating says so.
    supportedLanguages: 'ALL',
    pricingStructure: { type: 'FREE' },
    eligibleInputs,
    outputType: { scalarType: 'NUMBER' },
    needsMatchingValues: false,
    eligibleSubcategories: [],
    needsActionPenalties: false,
    allowedInAutomatedRules,
  };
}

/** What is said in `language`, `zh-CN` being Chinese, too; else in English. */
function inLanguage<T>(said: Readonly<Record<string, T>>, language: string): T | undefined {
  return said[language] ?? said[language.split(/[-_]/)[0] ?? ''] ?? said['en'];
}
