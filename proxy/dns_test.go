package proxy_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/proxy"
)

// nameserver is a DNS server on loopback (RFC 1035 section 4).
type nameserver struct {
	addr  string
	asked atomic.Int32 // questions for an IPv4 address
}

// newNameserver answers the nth question for a name's IPv4 address, counted from
// 0, with what resolve gives. An invalid address is not answered before the end
// of the test: Go's resolver reads on for some seconds after whoever asked has
// given up.
func newNameserver(t *testing.T, resolve func(name string, n int) netip.Addr) *nameserver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameserver{addr: conn.LocalAddr().String()}
	var stalled []func()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			reply, answered := s.answer(buf[:n], resolve)
			if !answered {
				stalled = append(stalled, func() { _, _ = conn.WriteTo(reply, from) })
				continue
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.SetReadDeadline(time.Now())
		<-ended
		for _, answer := range stalled {
			answer()
		}
		_ = conn.Close()
	})
	return s
}

// answer is the reply to a query, without an address if there is none.
func (s *nameserver) answer(query []byte, resolve func(string, int) netip.Addr) (reply []byte, answered bool) {
	var labels []string
	at := 12
	for query[at] != 0 {
		size := int(query[at])
		labels = append(labels, string(query[at+1:at+1+size]))
		at += 1 + size
	}
	at += 5 // the root label, type and class
	const typeA = 1
	isA := binary.BigEndian.Uint16(query[at-4:]) == typeA
	reply = append(reply, query[:at]...)
	binary.BigEndian.PutUint16(reply[2:], 0x8180) // an answer, recursion done
	clear(reply[6:12])
	if !isA {
		return reply, true
	}
	addr := resolve(strings.ToLower(strings.Join(labels, ".")), int(s.asked.Add(1))-1)
	if !addr.IsValid() {
		return reply, false
	}
	reply[7] = 1 // one answer: a pointer to the name, A, IN, no time to live, four bytes
	reply = append(reply, 0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(reply, addr.AsSlice()...), true
}

// resolver makes a proxy ask the server.
func (s *nameserver) resolver(o *proxy.Options) {
	o.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.addr)
	}}
}

// everyName resolves to one address.
func everyName(addr string) func(string, int) netip.Addr {
	return func(string, int) netip.Addr { return netip.MustParseAddr(addr) }
}
