#!/bin/sh
# Builds the programs that these tests run into .cache/charts, and puts the API
# descriptions of the Kubernetes versions beside them, all from Go modules. A
# machine that cannot have them gets one SKIP line; under CI=true it is a failure.
set -eu
cd "$(dirname "$0")/../.."
dir=$PWD/.cache/charts
GO=${GO:-go}
log=$dir/install.log

build() {
	for tool in $($GO -C test/charts/tools list tool); do
		GOBIN=$dir CGO_ENABLED=0 $GO -C test/charts/tools install -trimpath -ldflags '-s -w' "$tool" || return 1
	done
}

# describe VERSION: Kubernetes' own description of its API, which it ships in
# its source.
describe() {
	source=$($GO -C test/charts/tools mod download -json "k8s.io/kubernetes@v$1" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
	cp -f "$source/api/openapi-spec/swagger.json" "$dir/swagger-$1.json"
}

mkdir -p "$dir"
if { build && describe 1.29.15 && describe 1.36.3; } >"$log" 2>&1; then
	touch "$dir/ok"
	exit 0
fi
[ "${CI:-}" != true ] || { echo "FAIL: building the tools of test/charts failed, see $log" >&2; exit 1; }
echo "SKIP: building failed, see .cache/charts/install.log: the tests of the charts (test/charts) do not run" >&2
