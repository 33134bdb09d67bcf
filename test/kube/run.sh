#!/usr/bin/env bash
# Runs the tests of test/kube in a cluster: $KUBECONFIG's if it is set, else the
# lab whose folder $KUBE_LAB names (up.sh, in.sh, down.sh), else one of kind.
# With $KUBECONFIG the images have to be where its nodes find them: $IMAGE,
# $APP_IMAGE and $PYTHON_IMAGE name them; else they are made and imported here.
set -euo pipefail
cd "$(dirname "$0")/../.."
GO=${GO:-go}
dist=$PWD/dist
export TEST_KUBE=1 IMAGE=${IMAGE:-local.test/sealcar:test} APP_IMAGE=${APP_IMAGE:-local.test/app:test} PYTHON_IMAGE=${PYTHON_IMAGE:-}

skip() { # what is missing; under CI=true that is a failure
	echo "SKIP: $1: the tests in a cluster (test/kube) do not run" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
}

images() { # makes archives for this machine's architecture, and lists them
	local arch python=.cache/clients/python/bin/python
	arch=$($GO env GOARCH)
	make -s image-tar GO="$GO" IMAGE="$IMAGE" PLATFORMS="linux/$arch" >&2
	CGO_ENABLED=0 $GO build -trimpath -ldflags '-s -w' -o "$dist/app" ./test/kube/app
	$GO -C image run . -o "$dist/app.tar" -path app -name "$APP_IMAGE" "linux/$arch=$dist/app"
	echo "$dist/sealcar.tar" "$dist/app.tar"
	if [ -x $python ]; then
		$python test/kube/python_image.py local.test/python:test "$(echo .cache/clients/python/lib/python3*/site-packages)" "$dist/python.tar"
		echo "$dist/python.tar"
	fi
}

stop=true
trap '$stop' EXIT
if [ -n "${KUBECONFIG:-}" ]; then
	export KUBE_RUN=""
elif [ -n "${KUBE_LAB:-}" ]; then
	export K8SLAB_CACHE=${K8SLAB_CACHE:-$HOME/.cache/k8slab} K8SLAB_PROXY=1
	made=$(images)
	[ ! -e "$dist/python.tar" ] || PYTHON_IMAGE=local.test/python:test
	stop="$KUBE_LAB/down.sh"
	K8SLAB_IMAGES=$made "$KUBE_LAB/up.sh" node
	# The lab has no DNS, so the enclave gets an address that is known before.
	export KUBE_RUN="$KUBE_LAB/in.sh" HELM_FLAGS="--set enclave.service.clusterIP=10.98.0.50"
elif command -v kind >/dev/null && command -v kubectl >/dev/null && command -v helm >/dev/null; then
	made=$(images)
	[ ! -e "$dist/python.tar" ] || PYTHON_IMAGE=local.test/python:test
	stop="kind delete cluster --name sealcar-test"
	kind create cluster --name sealcar-test --wait 2m
	for tar in $made; do kind load image-archive --name sealcar-test "$tar"; done
	export KUBE_RUN=""
else
	skip "no KUBECONFIG, no KUBE_LAB, no kind"
fi
$GO test -count=1 -timeout 20m -v ${TESTFLAGS:-} ./test/kube
$GO test -count=1 -v -run TestManifestsAreTakenByAServer ./test/charts
