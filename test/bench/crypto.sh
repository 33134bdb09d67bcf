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
	(cd crypto/ark && "$lines.test" -test.run='^$' -test.bench='^Benchmark(ChatPrepared|ChatInline|Floor)$' -test.benchtime=5000x) >>"$lines"
	(cd crypto/ark && "$lines.test" -test.run='^$' -test.bench='^BenchmarkSealLarge$' -test.benchtime=100x) >>"$lines"
	(cd test/bench/vendor && "$lines.vendor" -test.run='^$' -test.bench=. -test.benchtime=5000x) >>"$lines"
	[ ! -x "$python" ] || "$python" test/bench/vendor_python.py crypto/ark/testdata/vendor-leaf.pem >>"$lines"
done

grep '^cpu:' "$lines" | head -1
# "name ns" in order of name and time, so that the middle one is the median.
awk '/^Benchmark/ { sub(/^Benchmark/, "", $1); sub(/-[0-9]+$/, "", $1); print $1, $3 }' "$lines" | sort -k1,1 -k2,2n |
	awk '
		{ count[$1]++; value[$1, count[$1]] = $2 }
		function median(name) { return value[name, int((count[name] + 1) / 2)] }
		function line(name) {
			if (count[name]) printf "%-22s %12.0f ns   (%.0f to %.0f)\n", name, median(name), value[name, 1], value[name, count[name]]
		}
		function ratio(what, a, b, target) {
			if (count[a] && count[b]) printf "%-44s %6.2f   target %s\n", what, median(a) / median(b), target
		}
		END {
			n = split("ChatPrepared ChatInline Floor VendorGo VendorPython SealLarge/1MiB-turns SealLarge/1MiB-turns-floor SealLarge/4MiB-image SealLarge/4MiB-image-floor", names, " ")
			for (i = 1; i <= n; i++) line(names[i])
			print ""
			printf "%-44s %6.2f   target <= 2\n", "a chat under keys made ahead, µs", median("ChatPrepared") / 1000
			ratio("the vendor'"'"'s Go SDK / it", "VendorGo", "ChatPrepared", ">= 25")
			ratio("the vendor'"'"'s Python SDK / it", "VendorPython", "ChatPrepared", ">= 35")
			ratio("a chat whose keys are made inline / floor", "ChatInline", "Floor", "<= 1.10")
			ratio("1 MiB of turns / floor", "SealLarge/1MiB-turns", "SealLarge/1MiB-turns-floor", "<= 1.5")
			ratio("4 MiB image / floor", "SealLarge/4MiB-image", "SealLarge/4MiB-image-floor", "<= 1.5")
		}'
