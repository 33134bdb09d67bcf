// Package e2e tests both ends together: the sidecar as `sealcar run` makes it,
// and the enclave, over TLS on loopback.
package e2e
