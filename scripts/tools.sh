# Sourced by test.sh: the programs of the system that some tests run, of other languages, load tools, Prometheus and a browser. They are
# installed when that is possible unasked (Debian, as root); else each test that wants one is skipped and names it.

tools=(nodejs npm chromium prometheus nghttp2-client
  golang-go golang-google-grpc-dev golang-github-golang-protobuf-1-5-dev protobuf-compiler protoc-gen-go protoc-gen-go-grpc
  openjdk-17-jdk-headless libgrpc-java libprotobuf-java libgoogle-common-protos-java libguava-java libgoogle-gson-java libnetty-java
  libperfmark-java libgeronimo-annotation-1.3-spec-java protobuf-compiler-grpc-java-plugin)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  lacking=()
  for tool in "${tools[@]}"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$tool" 2>/dev/null | grep -qx installed || lacking+=("$tool")
  done
  # Together, then one by one: a name that another release does not have must not keep the others away.
  if [ ${#lacking[@]} -gt 0 ]; then
    printf '==> installing %s, for tests\n' "${lacking[*]}"
    install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }
    { apt-get update -qq && { install "${lacking[@]}" || for tool in "${lacking[@]}"; do install "$tool" || true; done; }; } >/dev/null 2>&1 || true
  fi
fi
