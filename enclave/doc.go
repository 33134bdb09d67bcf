// Package enclave is the other end of the wire: an HTTPS server that speaks
// Ark's data plane (and the two control-plane calls around it) in front of any
// OpenAI-compatible backend. It owns the private key of the endpoint, hands out
// its certificate, opens sealed chats, forwards them in clear to the backend and
// seals the replies.
//
// Start at New and Serve (enclave.go). state.go and pki.go say what is kept in
// the state directory and how; certificates.go and openapi.go are the two ways
// to get the endpoint's certificate; backend.go calls the backend, echo.go is
// the one that is built in. rotate.go gives the endpoint a new key. Opening and
// sealing is ark.Handler's.
//
// An enclave can also be told to do wrong, so that clients can be tested against
// it (misbehave.go). It says so at its start; nothing else may depend on it.
//
// What is refused: a state directory, or a private file in it, that others can
// read or that is a symbolic link; a request without one of the enclave's own
// credentials; a chat that is not sealed, unless Options.AcceptPlaintext; every
// path that is not listed in routes; requests and bodies beyond
// Options.MaxRequests and Options.BufferedBytes. A redirect of the backend is
// not followed.
//
// What it does not do: narrow a temporary API key to the resources it was asked
// for, meter, limit rates, or attest where it runs.
package enclave
