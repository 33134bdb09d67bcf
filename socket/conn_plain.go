//go:build !linux || !(amd64 || arm64)

package socket

import "net"

// Direct gives c itself.
func Direct(c net.Conn) net.Conn { return c }
