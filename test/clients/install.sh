#!/bin/sh
# Installs the SDKs that these tests talk through into .cache/clients, by lock
# file. Usage: install.sh
# python|frameworks|node|java. A machine that cannot have them gets one
# SKIP line, and the tests that need them skip; under CI=true it is a failure.
set -eu
cd "$(dirname "$0")/../.."
clients=.cache/clients
log=$clients/$1.log

skip() {
	if [ "${CI:-}" = true ]; then
		echo "FAIL: $1, and under CI=true the tests with the $2 SDKs (test/clients) must run" >&2
		exit 1
	fi
	echo "SKIP: $1: the tests with the $2 SDKs (test/clients) do not run" >&2
	exit 0
}

install_python() { # NAME LOCKFILE
	python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >"$log" 2>&1 ||
		skip "no python3 (3.11 or newer, with venv) here" Python
	rm -rf "$clients/$1"
	{
		python3 -m venv "$clients/$1" &&
			"$clients/$1/bin/python" -m pip install --disable-pip-version-check --only-binary :all: \
				--require-hashes -r "test/clients/python/$2"
	} >"$log" 2>&1 || skip "installing failed, see $log" Python
}

install_node() {
	node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' >"$log" 2>&1 &&
		npm --version >>"$log" 2>&1 || skip "no node (20.19 or newer, with npm) here" Node
	rm -rf $clients/node
	mkdir $clients/node
	cp test/clients/node/package.json test/clients/node/package-lock.json $clients/node
	npm ci --prefix $clients/node --no-audit --no-fund --ignore-scripts >"$log" 2>&1 ||
		skip "installing failed, see $log" Node
}

install_java() {
	javac -version >"$log" 2>&1 && mvn --version >>"$log" 2>&1 || skip "no JDK (17 or newer) with Maven here" Java
	rm -rf $clients/java
	mkdir $clients/java
	{
		mvn --batch-mode --file test/clients/java/pom.xml -DoutputDirectory="$PWD/$clients/java" \
			org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies &&
			(cd $clients/java && sha256sum --check --strict ../../../test/clients/java/jars.sha256)
	} >"$log" 2>&1 || skip "installing failed, see $log" Java
}

mkdir -p $clients
rm -f "$clients/$1.ok"
case $1 in
python) install_python python requirements.txt ;;
frameworks) install_python frameworks frameworks.txt ;;
node) install_node ;;
java) install_java ;;
*) echo "usage: install.sh python|frameworks|node|java" >&2 && exit 2 ;;
esac
: >"$clients/$1.ok"
