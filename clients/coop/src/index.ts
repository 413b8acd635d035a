/** Wildwarden as an integration of Coop: the default export is the plugin; {@link pluginFor} makes one with more than the defaults. */

import { pluginFor } from './plugin.js';

export { Client } from './client.js';
export type { Environment } from './client.js';
export { readConfig } from './config.js';
export type { Config } from './config.js';
export type { CategoryInfo, CategoryRating, Image, Rating, Reason, Request, ServerInfo } from './contract.js';
export { WildwardenError } from './error.js';
export type { Code, Details } from './error.js';
export type { ReadImage } from './listing.js';
export { pluginFor } from './plugin.js';
export type { Options } from './plugin.js';
export type { Result } from './result.js';

export default pluginFor();
