// Package certfetch answers one question: whose key may a request be sealed to?
// It gets an inference endpoint's certificate, decides whether it can be
// trusted, and keeps it for as long as it may be used.
//
// Start at Cache (cache.go), the ark.Certificates that a protocol is given. It
// asks a Source (apikey.go, openapi.go, file.go, or several: chainsource.go) for
// a chain, has the Verifier (verify.go) judge it against pinned Roots (roots.go)
// and Pins (pins.go), then asks package revocation whether it was taken back,
// and remembers the answer in memory and on disk.
//
// A certificate's life: get (fetch.go) while nothing is at hand, the only time
// that a request waits; refresh (refresh.go) in the background ahead of its end;
// Renew (renew.go) when the endpoint seems to have another; KeepWarm (warm.go)
// for those that are known before any request; fault.go for what goes wrong.
//
// What is refused: a chain that does not lead to a pinned root, a certificate
// out of its time, one that was revoked (or, if so wished, whose revocation cannot
// be learnt), a key that is not on P-256 or not meant for key agreement,
// replies over 1 MiB or with more than 16 certificates, redirects, cache files
// that others could have written. Nothing is believed because it was cached:
// what comes from disk is verified again. TLS to the source is not what trust
// rests on.
//
// Errors that an application should see are *apierror.Error. Nothing here logs;
// faults that cost no request go to CacheConfig.Report.
package certfetch
