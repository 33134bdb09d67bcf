#!/bin/sh
# Prints -race if this machine can build with the race detector, which needs a C
# compiler and its headers; else says so in one line. Under CI=true that is a
# failure.
set -eu
GO=${GO:-go}

if [ "$($GO env CGO_ENABLED)" = 1 ] && echo '#include <stdlib.h>' | $($GO env CC) -E - >/dev/null 2>&1; then
	echo -race
	exit
fi
if [ "${CI:-}" = true ]; then
	echo "FAIL: no C compiler here, and under CI=true the tests must run with the race detector" >&2
	exit 1
fi
echo "SKIP: no C compiler here: the tests run without the race detector" >&2
