// Package faults breaks the network between the sidecar and the enclave, with
// toxiproxy: resets, cuts at every byte, stalls and slices. Whatever happens, the
// application gets the whole answer or sees that it has not; what the recorder at
// the enclave saw holds nothing in clear. Start at faults_test.go.
//
// It is a module of its own, so that toxiproxy and what it needs stay out of
// sealcar's.
package faults
