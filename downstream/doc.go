// Package downstream serves the plain requests of connections that it holds, on one
// goroutine from the first byte to the last: net/http's server starts another one
// with each request, to see the client go, and waking a thread for that costs as much
// as the rest of the way through a hop. It is to applications what upstream.Pool is to
// upstreams.
//
// Start at Server.Serve, and follow a connection in conn.go. head.go says which
// requests are plain: most of those that SDKs send, and nothing that two parties could
// read differently. Whatever is not plain, be it odd, large, old, or merely in two
// pieces, goes to net/http's server with its connection and every byte read so far, so
// nothing is refused here. Requests are parsed by http.ReadRequest. body.go is a
// request's body, reply.go its http.ResponseWriter, which does what net/http's does.
//
// That a client is gone is told by the system (socket.Watcher), for all connections at
// once.
//
// Handlers see, and clients get, what they would with net/http's server alone, but for
// the order of headers, for what a handler cannot do with a plain request (Hijack), and
// for these on purpose:
//
//   - A client's end cancels its request also while there is a body to read. Over TLS it
//     is the connection's end that counts, not close_notify alone. A request's context
//     does not end when its handler returns.
//   - What is not wanted of a body is discarded behind the reply, not before it.
//   - A body that was cut gives its error again, and not io.EOF, when it is read again.
//   - 304 keeps its Content-Type. A reply of 101 is its connection's last.
//   - "close" among other words in a handler's Connection is heard. Its
//     Transfer-Encoding is not, be it "identity".
//   - Of a handler that panics, what waits to be sent is not.
//   - A request has no TLS, and its context only what Config.ConnContext gives.
//   - While the server shuts down, a new connection's first request is answered.
//   - Nobody is told of a second WriteHeader or of a Content-Length that is no number.
package downstream
