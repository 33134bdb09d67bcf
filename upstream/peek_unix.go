//go:build unix

package upstream

import "syscall"

// canPeek says that quiet can tell.
const canPeek = true

// quiet reports whether an idle connection is open and has nothing to read: what
// comes without a request is the upstream's end, or no answer to us.
func (c *conn) quiet() bool {
	quiet := false
	err := c.socket.Control(func(fd uintptr) { // Read would ask the deadline, which atRest has put into the past
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	})
	return err == nil && quiet
}
