import { CONFIG_FIELDS } from './config.js';
import type { Manifest, ModelCard, ModelCardSection } from './coop.js';

export const VERSION = '0.1.0';

export function manifest(signalTypeIds: readonly string[]): Manifest {
  return {
    id: 'WILDWARDEN',
    name: 'Wildwarden',
    version: VERSION,
    description: 'Rates listings for illegal wildlife trade: an overall risk, and a probability a category, with reasons.',
    requiresConfig: true,
    configurationFields: CONFIG_FIELDS,
    signalTypeIds,
    modelCard: MODEL_CARD,
  };
}

/** With the sections that Coop asks of every card. It is of the shipped models; which ones a server has is the server's to say. */
const MODEL_CARD: ModelCard = {
  modelName: 'Wildwarden',
  version: VERSION,
  sections: [
    section('trainingData', 'Training data', {
      Photos:
        'Public photos, of museums and of shops among others, and rendered ones. Pangolin scales and rhino horn were learnt mostly from ' +
        'rendered photos and live animals.',
      Texts: 'English and Chinese. The Chinese offers are generated: next to none are public.',
      Use: 'Part of the data is for research use only: the card of each model lists its sources with their licences.',
    }),
    section('policyAndTaxonomy', 'Policy and taxonomy', {
      Categories: "The server's policy declares them, and GET /v1/server lists them: each is a signal here.",
      Score:
        'A calibrated probability at the prior that the policy is deployed for, 1 % as shipped. Set the prior to what you measure before ' +
        'you choose thresholds.',
      Meaning: 'Suspected, and no more: no species, no value and no offence is named.',
    }),
    section('annotationMethodology', 'Annotation methodology', {
      Labels: 'They follow the source: the card of each model, in its model.toml, lists its sources with their counts.',
    }),
    section('performanceBenchmarks', 'Performance benchmarks', {
      Figures: 'models/README.md has every figure with its 95 % interval and what it was measured on.',
      Unmeasured: 'Real loose pangolin scales, real rhino horn as a trade object, real Chinese offers, real listings of photo and text.',
    }),
    section('biasAndLimitations', 'Bias and limitations', {
      'Low scores': 'No proof that a listing is harmless: they say that nothing was found in what was rated.',
      'Look-alikes': 'Mammoth ivory, bone and resin look like ivory. No photo tells elephant from mammoth.',
      Sellers: 'Nine in ten listing photos of ivory that it learnt from are by one seller.',
      Languages: 'Texts are read in Chinese and English. In some others names of products are found, and no more.',
      Images: 'Only those whose bytes the host hands over. An item rated without its images says so in its result.',
    }),
    section('implementationGuidance', 'Implementation guidance', {
      'A person decides': 'The signals are for routing to review. They are no ground for an automated decision with major effect.',
      Input: 'Prefer the whole item to single fields: title, description and images are weighed together, in one call.',
      Measure: 'Measure on labelled listings of yours first: wildwarden evaluate.',
    }),
    section('relevantLinks', 'Relevant links', {
      Handbook: "docs/en/src of Wildwarden's source: read.md for what a rating says, limits.md for what it does not",
      Models: "models/README.md of Wildwarden's source",
      'This plugin': "clients/coop/README.md of Wildwarden's source",
    }),
  ],
};

function section(id: string, title: string, fields: Readonly<Record<string, string>>): ModelCardSection {
  return { id, title, fields: Object.entries(fields).map(([label, value]) => ({ label, value })) };
}
