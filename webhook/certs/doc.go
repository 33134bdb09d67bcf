// Package certs gives the admission webhook the certificate that API servers know
// it by: one from files that something else keeps, such as cert-manager (Files),
// or one that it makes itself and changes in time (Keeper).
//
// Start at Keeper (keeper.go). Its certificate is in a Secret that all replicas
// share, and the authority behind it in the caBundle of the
// MutatingWebhookConfiguration. There is no leader: each replica looks at both
// from time to time and mends what it finds, and the API server refuses a change
// that was not made from the latest state (resourceVersion), so that of two
// replicas one wins and the other sees what it did. A new certificate is shown
// only by the second look of a replica that has found its authority in the caBundle,
// or put it there; the former authority stays there until it ends, so that no call
// fails in between.
//
// An authority's key signs one certificate and is forgotten. The API server is
// spoken to without a client library: two objects, GET and PATCH (cluster.go).
// Refused: any answer of it but 200, one of more than 4 MiB, a redirect.
package certs
