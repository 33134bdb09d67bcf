package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// The first byte of a TLS record is its content type (RFC 8446 section 5.1).
const (
	recordFirst     = 0x14 // change_cipher_spec
	recordHandshake = 0x16 // what a client begins with
	recordLast      = 0x17 // application_data
)

const (
	maxOpening = 16 << 10 // bytes of a ClientHello; the largest in use are about 2 KiB
	maxBlank   = 1 << 10  // bytes of white space before a request
)

// http2Preface is the first line that a client of HTTP/2 sends (RFC 9113 section
// 3.4).
const http2Preface = "PRI * HTTP/2.0\r\n"

var (
	errNoHello = errors.New("TLS that does not begin with a hello: a server may skip what comes before it")
	errBlank   = errors.New("nothing but white space")
)

// opening is what a client sends first in a tunnel.
type opening struct {
	head       []byte // every byte read so far
	serverName string // of a TLS hello; "" if it has none or it is no TLS
	http       bool   // it starts an HTTP/1 request
	http2      bool   // it starts HTTP/2 in clear
	plain      bool   // it is neither TLS nor an HTTP/1 request
}

// readOpening reads as far as needed to know. A hello that cannot be read is an
// error; any other protocol is not.
func readOpening(ctx context.Context, client net.Conn, patience time.Duration) (*opening, error) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(client, first); errors.Is(err, io.EOF) {
		return &opening{}, nil // it only listens
	} else if err != nil {
		return nil, fmt.Errorf("reading the first byte: %w", err)
	}
	if patience > 0 {
		if err := client.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return nil, fmt.Errorf("bounding the opening: %w", err)
		}
	}
	o := &opening{head: first}
	read := o.readHTTP
	switch {
	case first[0] == recordHandshake:
		read = o.readHello
	case first[0] >= recordFirst && first[0] <= recordLast:
		return nil, errNoHello
	}
	if err := read(ctx, client); err != nil {
		return nil, err
	}
	o.plain = first[0] != recordHandshake && !o.http
	if err := client.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("unbounding the tunnel: %w", err)
	}
	return o, nil
}

// errHelloRead ends a handshake that was only meant to read the hello.
var errHelloRead = errors.New("hello read")

// readHello reads a ClientHello, in however many records and segments it comes,
// with crypto/tls's own parser.
func (o *opening) readHello(ctx context.Context, client net.Conn) error {
	seen := bytes.NewBuffer(o.head)
	rest := io.LimitReader(client, maxOpening)
	source := io.MultiReader(bytes.NewReader(bytes.Clone(o.head)), io.TeeReader(rest, seen))
	conn := tls.Server(mute{client, source}, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			o.serverName = hello.ServerName
			return nil, errHelloRead
		},
	})
	err := conn.HandshakeContext(ctx)
	o.head = seen.Bytes()
	if !errors.Is(err, errHelloRead) {
		return fmt.Errorf("reading the TLS hello: %w", err)
	}
	return nil
}

// mute is a connection that another reader feeds and that says nothing.
type mute struct {
	net.Conn
	source io.Reader
}

func (m mute) Read(p []byte) (int, error)  { return m.source.Read(p) }
func (m mute) Write(p []byte) (int, error) { return len(p), nil }
func (m mute) Close() error                { return nil }

// readHTTP reads as long as the bytes may become the start of an HTTP request.
// Servers skip empty lines before one (RFC 9112 section 2.2), and some skip blanks.
func (o *opening) readHTTP(_ context.Context, client net.Conn) error {
	next := make([]byte, 1)
	for {
		said := bytes.TrimLeft(o.head, "\r\n \t")
		if len(o.head)-len(said) > maxBlank {
			return errBlank
		}
		is, undecided := startsHTTP(string(said))
		o.http, o.http2 = is, bytes.HasPrefix(said, []byte(http2Preface))
		if !undecided && (o.http2 || !strings.HasPrefix(http2Preface, string(said))) {
			return nil
		}
		if _, err := io.ReadFull(client, next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the first line: %w", err)
		}
		o.head = append(o.head, next[0])
	}
}

// startsHTTP reports whether s starts an HTTP/1 request: a method, then a
// target in one of its forms (RFC 9112 section 3.2). undecided means that s is
// too short to tell. Case is ignored, for servers that do.
func startsHTTP(s string) (is, undecided bool) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"} {
		targets := []string{"/", "http://", "https://", "*"}
		if method == "CONNECT" {
			targets = []string{""}
		}
		for _, t := range targets {
			start := method + " " + t
			if len(s) >= len(start) && strings.EqualFold(s[:len(start)], start) {
				return true, false
			}
			if len(s) < len(start) && strings.EqualFold(s, start[:len(s)]) {
				undecided = true
			}
		}
	}
	return false, undecided
}
