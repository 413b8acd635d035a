// Sends build/listing.json over gRPC: k6 run k6_grpc.js
import { check } from 'k6';
import grpc from 'k6/net/grpc';

export const options = {
  vus: 4,
  iterations: 200,
  thresholds: { checks: ['rate==1'], grpc_req_duration: ['p(99)<5000'] },
};

const address = __ENV.WILDWARDEN_ADDRESS || '127.0.0.1:50051';
const metadata = __ENV.WILDWARDEN_KEY ? { authorization: `Bearer ${__ENV.WILDWARDEN_KEY}` } : {};
const listing = JSON.parse(open('build/listing.json'));
const client = new grpc.Client();
client.load(['../../../proto'], 'wildwarden/v1/risk.proto');

let connected = false;

export default function () {
  // Connections cannot be made before the load begins. Each of the callers keeps its own.
  if (!connected) {
    client.connect(address, { plaintext: true });
    connected = true;
  }
  const answer = client.invoke('wildwarden.v1.RiskService/Classify', listing, { metadata, timeout: '5s' });
  check(answer, { rated: ({ status }) => status === grpc.StatusOK });
}
