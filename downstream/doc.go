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
package downstream
