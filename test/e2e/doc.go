// Package e2e holds the end-to-end tests: the real binary as a sidecar and as
// the other end, each scenario named by its behaviour. Start at the
// helpers in ends_test.go. A recorder stands before every enclave: the secret word
// that all chats begin with may not cross in clear. Rotation and faults (rotation_test.go, faults_test.go)
// have both ends in the test's own process (pair_test.go), where it can rotate keys
// and see the wire. The clients are plain HTTP and curl; the SDKs are in
// test/clients.
package e2e
