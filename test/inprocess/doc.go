// Package inprocess runs the two ends of the wire inside a test's process: an
// enclave, and a sidecar in front of it. Both end with the test, which fails if they
// end badly.
//
// Start at StartEnclave and StartSidecar. What a sidecar is told is each test's own,
// in the YAML that users write. Tests of the real binary start it by package process
// and share Certificate alone.
package inprocess
