package downstream

import "net"

// ServeConn serves c on the caller's goroutine. It is not watched, so it need not be a
// socket, as those of FuzzPlainRequestsAreReadAsNetHTTPReadsThem are not.
func (s *Server) ServeConn(c net.Conn, rest *Handoff) {
	s.hold(c, rest).serve()
}
