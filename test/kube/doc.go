// Package kube holds the charts to what docs/kubernetes.md says: in a cluster,
// with pods that really run. Without TEST_KUBE its tests are skipped; `make
// test-kube` sets it, finds the cluster and gives it the images (run.sh). app/ is
// the application of those pods. It also has a server judge the charts with every
// combination of values that test/charts knows, without running anything.
//
// Start at cluster_test.go, which says how the cluster is spoken to.
package kube
