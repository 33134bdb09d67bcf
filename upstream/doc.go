// Package upstream is how sealcar dials out: one Upstream per route, for the sealed
// requests and for what sealcar itself asks the route's hosts.
//
// Start at New (upstream.go), which says in what order the rest stands. NewTransport
// (transport.go) makes the route's one *http.Transport. Pool (pool.go) is a shorter
// way for short requests over HTTP/1.1, on connections (conn.go) of its own. Patient
// (patience.go) gives up requests that an HTTP/2 upstream holds up. roots.go says whom
// TLS trusts, pins.go what it must find in the verified chain, clientcert.go who we
// say we are, egress.go how a corporate proxy is passed. NewGuarded (guard.go) is
// another way out, for addresses that somebody else chose; package netguard knows
// which those may be.
//
// What is refused: http:// targets unless the route says unsafe_upstream_http,
// TLS below 1.2, a chain that does not verify or holds no pinned key, proxy
// settings from the environment (they may well name sealcar itself). Errors name
// the setting and the file, never what is in it.
package upstream
