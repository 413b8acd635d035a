// Sends build/listing.json over HTTP: k6 run k6_http.js
import { check } from 'k6';
import http from 'k6/http';

export const options = {
  vus: 4,
  iterations: 200,
  thresholds: { checks: ['rate==1'], http_req_duration: ['p(99)<5000'] },
};

const address = __ENV.WILDWARDEN_ADDRESS || '127.0.0.1:50051';
const headers = { 'content-type': 'application/json', 'x-timeout-ms': '5000' };
if (__ENV.WILDWARDEN_KEY) {
  headers.authorization = `Bearer ${__ENV.WILDWARDEN_KEY}`;
}
const listing = open('build/listing.json');

export default function () {
  const answer = http.post(`http://${address}/v1/listings:rate`, listing, { headers, timeout: '6s' });
  check(answer, { rated: ({ status }) => status === 200 });
}
