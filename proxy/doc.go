// Package proxy is the sidecar: one data port that applications reach in four
// ways, and an admin port for probes and metrics.
//
// Follow one request, which is a visit (visit.go): servers.go has it read, by package
// downstream if it is plain and else by net/http, and Proxy.ServeHTTP (doors.go) finds out
// who sent it (clients.go), through which door it came — absolute-form, CONNECT with
// TLS, CONNECT with plaintext, or base URL — and for which host; admit.go decides
// whether it may pass and, with route.go, by which route; egress.go says what may be
// reached without one. forward.go sends it on: in routed.go by its route's Protocol,
// which seals it, sends it and opens the reply; in unrouted.go as the application meant
// it. Its body is watched in inbound.go, the upstream's in outbound.go, what the
// application gets in reply.go, interim responses before that in interim.go; log.go
// writes what came of it.
//
// CONNECT is taken apart in intercept.go (hosts with a route: what is inside comes
// back as ordinary requests) and tunnel.go (all other hosts); http2.go is what HTTP/2
// needs beside HTTP/1.1. authority.go, castore.go and cafiles.go are the local CA,
// listener.go is TLS on the data port, admin.go the other port, proxy.go, table.go and
// run.go the life cycle. docs/doors.md shows the doors with curl, docs/gateway.md what
// is different when others can reach the data port.
//
// What is refused, always with an OpenAI-shaped error and a stable code: clients
// without a token where one is wanted, paths that two parties could read
// differently, Host headers that a rebound DNS name or a browser page could bring, a
// tunnel that hides a host with a route, hosts, ports and networks that egress does
// not let through, what looks like an LLM call to a host without a route, redirects
// and protocol upgrades on routes, and any dial to ourselves. A reply that breaks
// off is a broken connection for the application, never a clean end.
package proxy
