import type { ConfigField, Stored } from './coop.js';
import { WildwardenError } from './error.js';

export interface Config {
  /** Ends in a slash. */
  readonly serverUrl: string;
  /** Empty: none is sent. */
  readonly apiKey: string;
  readonly timeoutMs: number;
  readonly language: string;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const MOST_TIMEOUT_MS = 600_000;

export const CONFIG_FIELDS: readonly ConfigField[] = [
  {
    key: 'serverUrl',
    label: 'Server URL',
    required: true,
    inputType: 'text',
    placeholder: 'https://wildwarden.internal:50051',
    description: 'Where Wildwarden answers over HTTP.',
  },
  {
    key: 'apiKey',
    label: 'Key',
    required: false,
    inputType: 'password',
    description: 'With the roles classify and info. Empty where the server asks for none.',
  },
  {
    key: 'timeoutMs',
    label: 'Deadline, ms',
    required: false,
    inputType: 'text',
    placeholder: String(DEFAULT_TIMEOUT_MS),
    description: 'How long a rating may take, retries included.',
  },
  {
    key: 'language',
    label: 'Language',
    required: false,
    inputType: 'text',
    placeholder: 'en',
    description: "Of the signals' names: one that the server's policy has titles in, such as en or zh.",
  },
];

/** What an organisation has configured. Throws {@link WildwardenError} where it cannot be used. */
export function readConfig(stored: Stored | undefined): Config {
  const given = (key: string): string => {
    const value = stored?.[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
  };
  return {
    serverUrl: serverUrl(given('serverUrl')),
    apiKey: apiKey(given('apiKey')),
    timeoutMs: timeoutMs(given('timeoutMs')),
    language: given('language') || 'en',
  };
}

function serverUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw wrong('serverUrl', 'the server URL must begin with http:// or https://');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw wrong('serverUrl', 'the server URL must have no user, query or fragment; the key has a field of its own');
  }
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

function apiKey(given: string): string {
  // Anything else is refused by fetch, with the key in the message.
  if (!/^[\x21-\x7e]*$/.test(given)) {
    throw wrong('apiKey', 'the key must be printable ASCII without spaces');
  }
  return given;
}

function timeoutMs(given: string): number {
  const ms = given === '' ? DEFAULT_TIMEOUT_MS : Number(given);
  if (!Number.isInteger(ms) || ms < 1 || ms > MOST_TIMEOUT_MS) {
    throw wrong('timeoutMs', `the deadline must be whole milliseconds, 1 to ${MOST_TIMEOUT_MS}`);
  }
  return ms;
}

function wrong(field: string, message: string): WildwardenError {
  return new WildwardenError(message, { code: 'FAILED_PRECONDITION', reason: 'CONFIG_INVALID', field });
}
