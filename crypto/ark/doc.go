// Package ark speaks Volcengine Ark's application-layer encryption ("ark-v1"),
// both halves: an ECIES envelope (ECDH on P-256, HKDF-SHA256, AES-256-GCM)
// around the content strings of a chat, in the request and in its reply.
//
// Start at Session (session.go): the key agreement of one HTTP request, with
// Seal and Open. Sessions (prepared.go) makes the client's ahead of time. Transport
// (transport.go) is the client half, an http.RoundTripper that seals what it sends
// and opens what comes back; Handler (handler.go) is the enclave half, an
// http.Handler that does the mirror. residue.go says of every parameter whether it
// is sealed, and a Policy (policy.go) what is done with those that are not.
//
// What is refused: a key that is not on P-256, a reply that is not
// authenticated or has no end, a request whose content cannot be sealed, an
// endpoint that the protocol has no sealing for, a process whose FIPS mode forbids
// the protocol (fips.go). Nothing ever falls back to plaintext; what leaves in
// clear beside the content is reported.
//
// What the protocol cannot give: one key and nonce serve every string of a
// request and its reply, which costs confidentiality and integrity against
// whoever sees the body inside TLS. SECURITY.md says what that means.
//
// Source: vendor document 推理会话数据应用层加密方案 (2024-11-25) and the published
// SDKs (python 5.0.42, go 1.2.49, java 2.0.24).
package ark
