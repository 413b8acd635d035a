#!/usr/bin/env bash
# Sends build/listing.* with h2load: h2load.sh [http | grpc] [options of h2load, such as -n 200 -c 4]
set -euo pipefail
cd "$(dirname "$0")/build"
server=http://${WILDWARDEN_ADDRESS:-127.0.0.1:50051}
case ${1:-http} in
  http) request=(--data listing.json --header 'content-type: application/json' "$server/v1/listings:rate") ;;
  grpc) request=(--data listing.grpc --header 'content-type: application/grpc' --header 'te: trailers' "$server/wildwarden.v1.RiskService/Classify") ;;
  *) echo "h2load.sh: '$1' is neither http nor grpc" >&2; exit 2 ;;
esac
exec h2load ${WILDWARDEN_KEY:+--header "authorization: Bearer $WILDWARDEN_KEY"} "${@:2}" "${request[@]}"
