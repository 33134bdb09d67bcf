// Package volcsign is the signature of Volcengine's OpenAPI (HMAC-SHA256 with an
// access key and a secret key), both halves.
//
// Start at Signer (sign.go), which signs a request that is about to be sent, and
// Verifier (verify.go), which checks one that came in. Both build the same
// canonical request (canonical.go), so each tests the other. Credentials are what is
// signed with; Files (credentials.go) reads them.
//
// What is refused: a request whose signature does not cover its host, date, body
// hash, content type and security token; a body other than the one signed; a
// date outside the allowed skew; a scope of another region or service; a query
// that is not well-formed. Presigned URLs are not supported. A Verifier remembers
// nothing: within the skew a captured request can be replayed, TLS has to keep
// it from being captured.
//
// Source: vendor document 签名方法 (Volcengine OpenAPI) and the published SDK
// (python 5.0.54, volcenginesdkcore/signv4.py).
package volcsign
