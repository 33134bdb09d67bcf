// Package sidecar puts the sidecar together: for each route of a configuration
// the way out (upstream), the certificates (certfetch) and the protocol
// (crypto/ark), and around them the data port (proxy). It decides nothing; it is
// where a newcomer sees which part is joined to which.
//
// Start at New (sidecar.go).
package sidecar
