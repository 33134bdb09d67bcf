// Package sidecar puts the sidecar together: for each route of a configuration
// the way out (upstream), the certificates (certfetch) and the protocol
// (crypto/ark), and around them the data port (proxy). It decides nothing; it is
// where a newcomer sees which part is joined to which.
//
// Start at New (sidecar.go). certificates.go and credentials.go make what a route asks
// for beside its requests; translate.go, with dialects.go and images.go, what is done
// to a request before it is sealed, residue.go what becomes of that which cannot be.
// state.go tells metrics and probes how it stands. NewExaminedRoute, Check (check.go)
// and Endpoint.Query (query.go) are for those who look at the parts without serving
// anybody.
//
// What is refused, before anything listens: files that a route names and that cannot
// be used, residue exceptions that can never count, a process that may not use the
// protocol.
package sidecar
