// Package charts holds the charts to their promises without a cluster: lint,
// unit tests of the templates (tests/ of each chart), the schemas of the oldest
// and the newest Kubernetes that they support, values that must be refused, and
// what the documentation is generated from. test/kube runs them for real.
//
// Start at charts_test.go. install.sh builds the programs that this needs; where
// they are missing the tests are skipped, under CI=true they fail.
package charts
