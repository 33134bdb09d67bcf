package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// variant is one way from the load to the upstream.
type variant struct {
	name      string
	addr      string
	tls       *tls.Config // direct ones; nil: in clear
	path      string
	presealed bool     // what is sent was sealed before the run
	base      *variant // the direct one of the same form; nil for those
	process   *process // nil for the direct ones
	rig       *rig
}

// variants starts all hops to the first upstream. nginx is left out if it is not
// installed.
func (r *rig) variants(ctx context.Context) ([]*variant, error) {
	direct := func(name, addr, path string, presealed bool) *variant {
		return &variant{name: name, addr: addr, tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: tlsRoots(r.keys), ServerName: "localhost"}, path: path, presealed: presealed, rig: r}
	}
	inClear := direct(nameDirect, r.upstream, clearPath, false)
	sealed := direct(nameDirectSealed, r.upstream, chatPath, true)
	all := []*variant{inClear, sealed}
	if binary := nginxPath(); binary != "" {
		addr, err := freeAddress(ctx)
		if err != nil {
			return nil, err
		}
		p, err := startNginx(r.dir, binary, addr, r.upstream, r.keys)
		if err != nil {
			return nil, err
		}
		r.processes = append(r.processes, p)
		if err := p.awaitPort(ctx, addr); err != nil {
			return nil, err
		}
		all = append(all, &variant{name: nameNginx, addr: addr, path: clearPath, base: inClear, process: p, rig: r})
	}
	for _, hop := range []struct{ name, role string }{{namePlain, "plain"}, {nameReverse, "reverse"}} {
		addr, p, err := r.child(ctx, hop.role, hop.role, "-to", r.upstream)
		if err != nil {
			return nil, err
		}
		all = append(all, &variant{name: hop.name, addr: addr, path: clearPath, base: inClear, process: p, rig: r})
	}
	s, err := r.sidecar(ctx, "sealcar", r.upstream, "")
	if err != nil {
		return nil, err
	}
	return append(all,
		&variant{name: nameUnsealed, addr: s.addr, path: clearPath, base: inClear, process: s.process, rig: r},
		&variant{name: nameSealed, addr: s.addr, path: chatPath, base: sealed, process: s.process, rig: r},
	), nil
}

// The names of the variants, as the report has them.
const (
	nameDirect       = "direct, in clear"
	nameDirectSealed = "direct, sealed before"
	nameNginx        = "nginx"
	namePlain        = "net/http handler"
	nameReverse      = "httputil.ReverseProxy"
	nameUnsealed     = "sealcar, unsealed"
	nameSealed       = "sealcar, sealed"
)

// chat is what a request asks for.
type chat struct {
	turns, bytes int // messages, and how long each is
	reply        int // bytes
	events       int // 0: a reply in one piece
	gap          time.Duration
}

// request is the whole of a chat as it goes over the connection.
func (v *variant) request(c chat) ([]byte, error) {
	text := strings.Repeat("b", c.bytes)
	var token string
	if v.presealed {
		session, err := v.rig.session()
		if err != nil {
			return nil, fmt.Errorf("sealing a chat before the run: %w", err)
		}
		text, token = string(session.Seal(nil, []byte(text))), session.Token()
	}
	turn := `{"role":"user","content":"` + text + `"}`
	body := fmt.Sprintf(`{"model":"ep-1","stream":%t,"messages":[%s]}`, c.events > 0, strings.TrimSuffix(strings.Repeat(turn+",", c.turns), ","))
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s: %d\r\n",
		v.path, v.addr, len(body), headerReply, c.reply)
	if c.events > 0 {
		fmt.Fprintf(&b, "%s: %d\r\n%s: %s\r\n", headerEvents, c.events, headerGap, c.gap)
	}
	if token != "" {
		fmt.Fprintf(&b, "X-Session-Token: %s\r\nX-Is-Encrypted: true\r\n", token)
	}
	b.WriteString("\r\n" + body)
	return b.Bytes(), nil
}

// dial opens a connection that requests can be written to.
func (v *variant) dial(ctx context.Context) (net.Conn, error) {
	var conn net.Conn
	var err error
	if v.tls != nil {
		conn, err = (&tls.Dialer{Config: v.tls}).DialContext(ctx, "tcp", v.addr)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", v.addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	return conn, nil
}

func writeCertificate(file string, der []byte) error {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("writing the endpoint's certificate: %w", err)
	}
	return nil
}

// sizeName is a number of bytes as a person says it.
func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return strconv.Itoa(n>>20) + " MiB"
	case n >= 1<<10:
		return strconv.Itoa(n>>10) + " KiB"
	default:
		return strconv.Itoa(n) + " B"
	}
}
