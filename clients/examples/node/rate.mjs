// Rates one listing: node rate.mjs [--title TEXT] [--description TEXT] [PHOTO ...]
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A second try included. */
const DEADLINE_MS = 5_000;
const TEMPORARY = [grpc.status.RESOURCE_EXHAUSTED, grpc.status.UNAVAILABLE];

const contract = loadSync(['wildwarden/v1/risk.proto', 'refusal.proto'], {
  includeDirs: ['../../../proto', '.'].map((folder) => fileURLToPath(new URL(folder, import.meta.url))),
  keepCase: true, // names as they stand in the contract
  enums: String,
  longs: Number,
  defaults: true,
});

/** The listing that the command line names. */
async function listing() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { title: { type: 'string' }, description: { type: 'string' } },
  });
  const photo = async (path) => ({ image_id: basename(path), content: await readFile(path) });
  return { ...values, images: await Promise.all(positionals.map(photo)) };
}

async function rate(client, request, key) {
  const metadata = new grpc.Metadata();
  if (key) {
    metadata.set('authorization', `Bearer ${key}`);
  }
  const deadline = Date.now() + DEADLINE_MS;
  const classify = () =>
    new Promise((resolve, reject) => {
      client.Classify(request, metadata, { deadline }, (refusal, rating) => (refusal ? reject(refusal) : resolve(rating)));
    });
  try {
    return await classify();
  } catch (refusal) {
    const delay = retryMs(refusal);
    // A second answer that could only come too late is not waited for: the refusal says more than a passed deadline.
    if (delay === undefined || Date.now() + delay >= deadline) {
      throw refusal;
    }
    await sleep(delay);
  }
  return classify();
}

/** After how many milliseconds the server has room, where it says so. */
function retryMs({ code, metadata }) {
  const [status] = TEMPORARY.includes(code) ? metadata.get('grpc-status-details-bin') : [];
  const details = status ? contract['google.rpc.Status'].deserialize(status).details : [];
  const info = details.find(({ type_url }) => type_url.endsWith('/google.rpc.RetryInfo'));
  if (info === undefined) {
    return undefined;
  }
  const { seconds = 0, nanos = 0 } = contract['google.rpc.RetryInfo'].deserialize(info.value).retry_delay ?? {};
  return seconds * 1e3 + nanos / 1e6;
}

function show(rating) {
  // A newer server may send values that this contract does not know: they come as numbers.
  const name = (value, prefix) => String(value).replace(prefix, '');
  const level = (of) => name(of.level, 'LEVEL_');
  console.log(`suggestion: ${name(rating.suggestion, 'SUGGESTION_')}`);
  console.log(`risk: ${rating.risk.toFixed(4)} (${level(rating)})`);
  for (const of of rating.categories) {
    console.log(`category: ${of.category} ${of.unrated ? 'unrated' : `${of.probability.toFixed(4)} (${level(of)})`}`);
  }
  for (const reason of rating.reasons) {
    const named = Object.entries(reason.arguments).map(([name, value]) => `${name}=${value}`);
    console.log(`reason: ${name(reason.code, 'REASON_CODE_')} ${reason.category || 'listing'} (${named.sort().join(', ')})`);
  }
  if (rating.degraded) {
    console.log(`degraded, without: ${rating.missing.join(', ')}`);
  }
}

const { wildwarden } = grpc.loadPackageDefinition(contract);
const address = process.env.WILDWARDEN_ADDRESS || '127.0.0.1:50051';
const client = new wildwarden.v1.RiskService(address, grpc.credentials.createInsecure());
try {
  show(await rate(client, await listing(), process.env.WILDWARDEN_KEY));
} catch (error) {
  const refused = error.details !== undefined;
  console.error(`rate: ${refused ? `${grpc.status[error.code]}: ${error.details}` : error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
