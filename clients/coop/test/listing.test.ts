import assert from 'node:assert/strict';
import { test } from 'node:test';

import { listingOf, requestOf } from '../src/listing.js';
import type { ReadImage } from '../src/listing.js';
import type { RunInput } from '../src/coop.js';
import { item, words } from './fakes.js';

const BYTES = Uint8Array.of(0, 255, 7);
const BASE64 = 'AP8H';

function request(input: RunInput, readImage?: ReadImage) {
  return requestOf(listingOf(input), readImage, AbortSignal.timeout(1_000));
}

test('a field alone is a description', async () => {
  assert.deepEqual(await request(words('牙雕')), { request: { description: '牙雕', images: [] }, unsentImages: 0 });
});

test("an item's title is the field that names it, and its other words are its description", async () => {
  const data = { body: 'Old.', headline: '手串', Title: 'T', seller: 's-1', tags: ['a', ' ', 'b'] };
  const { request: named } = await request(item(data));
  assert.deepEqual(named, { listingId: '42', title: '手串', description: 'Old.\nT\na\nb', images: [] });
  const { request: called } = await request(item(data, {}));
  assert.deepEqual([called.title, called.description], ['T', 'Old.\n手串\na\nb']);
  const { request: untitled } = await request(item({ body: 'Old.' }, {}));
  assert.deepEqual(untitled, { listingId: '42', description: 'Old.', images: [] });
});

test('bytes that an item holds are sent, whatever they come as', async () => {
  const photos = [BYTES, { bytes: BYTES }, { content: BASE64 }, { url: `data:image/png;base64,${BASE64}` }, `data:;base64,${BASE64}`];
  const { request: made, unsentImages } = await request(item({ photos }));
  assert.equal(unsentImages, 0);
  assert.deepEqual(
    made.images,
    [0, 1, 2, 3, 4].map((at) => ({ imageId: `photos.${at}`, content: BASE64 })),
  );
});

test('a view into a larger buffer is sent as what it shows', async () => {
  const view = new Uint8Array(Uint8Array.of(9, 9, 0, 255, 7, 9).buffer, 2, 3);
  const { request: made } = await request(item({ cover: view }));
  assert.deepEqual(made.images, [{ imageId: 'cover', content: BASE64 }]);
});

test('URLs are read by the host alone, and what it does not have is counted', async () => {
  const data = {
    headline: 'x',
    cover: { url: 'https://a/1' },
    photos: [{ url: 'https://a/2' }, { url: 'https://a/3' }],
    media: [
      { url: 'https://a/4', mediaType: null },
      { url: 'https://a/5.mp4', mediaType: 'VIDEO' },
    ],
  };
  const without = await request(item(data));
  assert.deepEqual([without.request.images, without.unsentImages], [[], 4]);
  const asked: string[] = [];
  const read = await request(item(data), async (url) => {
    asked.push(url);
    return url === 'https://a/3' ? undefined : BYTES;
  });
  assert.deepEqual(asked, ['https://a/1', 'https://a/2', 'https://a/3', 'https://a/4']);
  assert.deepEqual(read.request.images.map(({ imageId }) => imageId), ['cover', 'photos.0', 'media.0']);
  assert.equal(read.unsentImages, 1);
});

test('a field that is an image alone is rated by its bytes', async () => {
  const image = { orgId: 'org', value: { type: 'IMAGE', value: { url: 'https://a/1' } } };
  const { request: made } = await request(image, async () => BYTES);
  assert.deepEqual(made, { images: [{ content: BASE64 }] });
  await assert.rejects(request(image), { reason: 'NOTHING_TO_RATE', message: /1 images, and the bytes of none/ });
});

test('nothing to rate is no call', async () => {
  for (const input of [words(' \n'), item({}), item({ seller: 's-1' }), { orgId: 'org', value: undefined }]) {
    await assert.rejects(request(input), { code: 'INVALID_ARGUMENT', reason: 'NOTHING_TO_RATE' });
  }
});

test('an id that the server would refuse is left out', async () => {
  for (const contentId of ['', 'x'.repeat(129), 'a\u0000b', '号'.repeat(43)]) {
    const { request: made } = await request({ ...words('x'), contentId });
    assert.equal(made.listingId, undefined);
  }
});
