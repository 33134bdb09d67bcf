// Package revocation answers whether the certificates of a verified path have
// been taken back, by CRL (RFC 5280 §5) and OCSP (RFC 6960).
//
// Start at Checker (checker.go). Every address that a certificate names is
// asked: one word of "revoked" wins, else one "good" suffices, else the answer
// is Unknown with its reasons. What to make of Unknown is the caller's policy.
// Answers are kept in memory until their nextUpdate and asked for anew before
// it (statement.go); failures are remembered, so that a responder that is down
// costs one wait and not one per certificate.
//
// What is refused: a statement that is not signed by the certificate's own
// issuer or, for OCSP, by a responder that the issuer has delegated with the
// extended key usage OCSPSigning; one without nextUpdate, past it, from the
// future, or older than one already held; delta and indirect CRLs, CRLs for
// another distribution point and critical extensions that are not understood;
// bodies over the bound; addresses other than http:// (RFC 5280 §8: TLS would
// need a revocation check of its own); redirects. Which hosts and networks may
// be dialled is the business of the http.Client's Transport.
//
// OCSP requests carry no nonce: what bounds a replay is nextUpdate.
package revocation
