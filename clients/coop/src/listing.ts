/** From what Coop hands to a signal to what the server rates. */

import type { RunInput } from './coop.js';
import type { Image, Request } from './contract.js';
import { WildwardenError } from './error.js';
import { list, record, text } from './json.js';

/**
 * The bytes of the image at `url`, from wherever the host has them; undefined: it has none. The plugin fetches nothing by itself, and
 * neither does the server: a URL in a listing is the seller's to choose.
 */
export type ReadImage = (url: string, abort: AbortSignal) => Promise<Uint8Array | undefined>;

/** An image of an item: its bytes in base64, or where they are. */
interface Photo {
  readonly imageId?: string;
  readonly content?: string;
  readonly url?: string;
}

export interface Listing {
  readonly listingId?: string;
  readonly title?: string;
  readonly description?: string;
  readonly photos: readonly Photo[];
}

interface Tagged {
  readonly type: string;
  readonly value: unknown;
  /** The field's name, and the place in it where it holds several. */
  readonly place: string;
  readonly field: string;
}

/** The server's `limits.max_id_bytes`, as shipped. */
const MOST_ID_BYTES = 128;

export function listingOf(input: RunInput): Listing {
  const given = record(input.value);
  const item = 'itemType' in given;
  const values = item ? valuesOf(given) : [{ type: text(given['type']), value: given['value'], place: '', field: '' }];
  const written = values.filter(({ type, value }) => type === 'STRING' && text(value).trim() !== '');
  const title = item ? written.find(({ field }) => field === titleField(record(given['itemType']))) : undefined;
  const description = written.filter((value) => value !== title).map(({ value }) => text(value));
  return {
    ...(isId(input.contentId) && { listingId: input.contentId }),
    ...(title && { title: text(title.value) }),
    ...(description.length > 0 && { description: description.join('\n') }),
    photos: values.filter(mayBeImage).map(photo),
  };
}

/** The request that `listing` makes, and how many of its images are not in it because nobody had their bytes. */
export async function requestOf(
  listing: Listing,
  readImage: ReadImage | undefined,
  abort: AbortSignal,
): Promise<{ request: Request; unsentImages: number }> {
  const { photos, ...texts } = listing;
  const read = await Promise.all(photos.map((each) => imageOf(each, readImage, abort)));
  const images = read.filter((image) => image !== undefined);
  const unsentImages = photos.length - images.length;
  if (images.length === 0 && texts.title === undefined && texts.description === undefined) {
    const why = unsentImages === 0 ? '' : `: ${unsentImages} images, and the bytes of none`;
    throw new WildwardenError(`nothing to rate${why}`, { code: 'INVALID_ARGUMENT', reason: 'NOTHING_TO_RATE' });
  }
  return { request: { ...texts, images }, unsentImages };
}

/** Every value of an item, in the order of its type's fields; containers are laid open. */
function valuesOf(given: Readonly<Record<string, unknown>>): readonly Tagged[] {
  const data = record(given['data']);
  return list(record(given['itemType'])['schema']).map(record).flatMap((schema) => {
    const field = text(schema['name']);
    const value = data[field];
    if (value === undefined || value === null) {
      return [];
    }
    if (schema['container'] === null || schema['container'] === undefined) {
      return [{ type: text(schema['type']), value, place: field, field }];
    }
    const type = text(record(schema['container'])['valueScalarType']);
    return Object.entries(record(value)).map(([key, one]) => ({ type, value: one, place: `${field}.${key}`, field }));
  });
}

/** The field that names the item, as its type says; else one called title. */
function titleField(itemType: Readonly<Record<string, unknown>>): string {
  const role = text(record(itemType['schemaFieldRoles'])['displayName']);
  const names = list(itemType['schema']).map((field) => text(record(field)['name']));
  return role || (names.find((name) => name.toLowerCase() === 'title') ?? '');
}

function mayBeImage({ type, value }: Tagged): boolean {
  const kind = record(value)['mediaType'];
  // Of media whose URL has no ending Coop does not know the kind.
  return type === 'IMAGE' || (type === 'MEDIA' && kind !== 'VIDEO' && kind !== 'AUDIO');
}

function photo({ value, place }: Tagged): Photo {
  const content = bytesIn(value);
  const url = text(record(value)['url']) || text(value);
  return { ...(isId(place) && { imageId: place }), ...(content === undefined ? { url } : { content }) };
}

/** The bytes that the host has put into a value: as they are, in base64, or in a `data:` URL. */
function bytesIn(value: unknown): string | undefined {
  if (value instanceof Uint8Array) {
    return base64(value);
  }
  const { bytes, content, url } = record(value);
  const held = bytes ?? content;
  if (held instanceof Uint8Array) {
    return base64(held);
  }
  if (typeof held === 'string') {
    return held;
  }
  const data = /^data:[^,]*;base64,(.*)$/is.exec(text(url) || text(value));
  return data?.[1];
}

async function imageOf(
  { imageId, content, url }: Photo,
  readImage: ReadImage | undefined,
  abort: AbortSignal,
): Promise<Image | undefined> {
  const bytes = content === undefined && url ? await readImage?.(url, abort) : undefined;
  const held = bytes === undefined ? content : base64(bytes);
  return held === undefined ? undefined : { ...(imageId !== undefined && { imageId }), content: held };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** An id that the server would refuse is left out: a listing is not to go unrated for it. */
function isId(id: string | undefined): id is string {
  return id !== undefined && id !== '' && Buffer.byteLength(id) <= MOST_ID_BYTES && !/\p{Cc}/u.test(id);
}
