#!/bin/sh
# Measures what one chat costs in cryptography (256 bytes out, 256 bytes back),
# here, by the vendor's SDKs, and at its floor; and what large chats cost beside
# theirs. The variants take turns, ROUNDS times. Prints the medians with least and
# most, and the ratios that issue 5 sets targets for.
set -eu
GO=${GO:-go}
ROUNDS=${ROUNDS:-5}
python=.cache/clients/python/bin/python
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

$GO test -c -o "$lines.test" ./crypto/ark
trap 'rm -f "$lines" "$lines.test" "$lines.vendor"' EXIT
$GO -C test/bench/vendor test -c -o "$lines.vendor" .
if [ ! -x "$python" ]; then
	[ "${CI:-}" != true ] || { echo "FAIL: no $python: run make clients" >&2; exit 1; }
	echo "SKIP: no $python (make clients), so the vendor's Python SDK is not measured" >&2
fi

round=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	(cd crypto/ark && "$lines.test" -test.run='^$' -test.bench='^Benchmark(ChatPrepared|ChatInline|Floor)$' -test.benchtime=5000x -test.benchmem) >>"$lines"
	(cd crypto/ark && "$lines.test" -test.run='^$' -test.bench='^BenchmarkSealLarge$' -test.benchtime=100x) >>"$lines"
	(cd test/bench/vendor && "$lines.vendor" -test.run='^$' -test.bench=. -test.benchtime=5000x) >>"$lines"
	[ ! -x "$python" ] || "$python" test/bench/vendor_python.py crypto/ark/testdata/vendor-leaf.pem >>"$lines"
done

grep '^cpu:' "$lines" | head -1
go_sdk=$(awk '/volcengine-go-sdk/ { print $NF }' test/bench/vendor/go.mod)
python_sdk=$([ ! -x "$python" ] || "$python" -c 'from importlib.metadata import version; print(version("volcengine-python-sdk"))')
echo "versions: the vendor's Go SDK $go_sdk${python_sdk:+, Python SDK $python_sdk}"
# "name ns allocations" in order of name and time, so that the middle one is the median.
awk '/^Benchmark/ {
		sub(/^Benchmark/, "", $1); sub(/-[0-9]+$/, "", $1)
		allocs = 0
		for (i = 4; i <= NF; i++) if ($i == "allocs/op") allocs = $(i - 1)
		print $1, $3, allocs
	}' "$lines" | sort -k1,1 -k2,2n |
	awk '
		{ count[$1]++; value[$1, count[$1]] = $2; if ($3 > allocs[$1]) allocs[$1] = $3 }
		function median(name) { return value[name, int((count[name] + 1) / 2)] }
		function line(what, name) {
			if (count[name]) printf "%-50s %12.1f ns   (%.1f to %.1f)\n", what, median(name), value[name, 1], value[name, count[name]]
		}
		function ratio(what, a, b, target) {
			if (count[a] && count[b]) printf "%-60s %7.2f   target %s\n", what, median(a) / median(b), target
		}
		END {
			line("a chat under keys made ahead", "ChatPrepared")
			line("a chat whose keys are made inline", "ChatInline")
			line("its floor", "Floor")
			line("a chat by the vendor'"'"'s Go SDK", "VendorGo")
			line("a chat by the vendor'"'"'s Python SDK", "VendorPython")
			line("1 MiB of turns, read and sealed", "SealLarge/1MiB-turns")
			line("its floor", "SealLarge/1MiB-turns-floor")
			line("an image of 4 MiB, read and sealed", "SealLarge/4MiB-image")
			line("its floor", "SealLarge/4MiB-image-floor")
			print ""
			printf "%-60s %7.2f   target <= 2\n", "on-path crypto, 256 B out and 256 B back, µs", median("ChatPrepared") / 1000
			printf "%-60s %7d   target <= 3\n", "its allocations", allocs["ChatPrepared"]
			ratio("the vendor'"'"'s Go SDK to it", "VendorGo", "ChatPrepared", ">= 25")
			ratio("the vendor'"'"'s Python SDK to it", "VendorPython", "ChatPrepared", ">= 35")
			ratio("inline crypto, when no keys are ahead, to its floor", "ChatInline", "Floor", "<= 1.10")
			ratio("1 MiB of turns, read and sealed, to its floor", "SealLarge/1MiB-turns", "SealLarge/1MiB-turns-floor", "<= 1.5")
			ratio("an image of 4 MiB, read and sealed, to its floor", "SealLarge/4MiB-image", "SealLarge/4MiB-image-floor", "<= 1.5")
		}'
