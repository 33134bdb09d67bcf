// Package upstream is how sealcar dials out: one *http.Transport per route, for
// the sealed requests and for the route's certificate fetches alike.
//
// Start at NewTransport (transport.go). NewPool (pool.go) is a shorter way for short
// requests over HTTP/1.1, on connections (conn.go) of its own. roots.go says whom TLS trusts, pins.go
// what it must find in the verified chain, clientcert.go who we say we are,
// egress.go how a corporate proxy is passed. Patient (patience.go) gives up
// requests that an HTTP/2 upstream holds up. NewGuarded (guard.go) is another way
// out, for addresses that somebody else chose; package netguard knows which those
// may be.
//
// What is refused: http:// targets unless the route says unsafe_upstream_http,
// TLS below 1.2, a chain that does not verify or holds no pinned key, proxy
// settings from the environment (they may well name sealcar itself). Errors name
// the setting and the file, never what is in it.
package upstream
