package cases_test

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/test/wire"
)

// script is an upstream that hands out the enclave's certificate and answers
// every chat with the bytes that the case has, good or bad.
type script struct {
	server   *tls.Config
	endpoint tls.Certificate // what clients seal for
	key      *ecdh.PrivateKey
	reply    message
	values   values
	recorder *wire.Recorder

	mu       sync.Mutex
	problems []string // of the case: the reply cannot be made
}

// newScript takes the keys of the enclave whose state is given.
func newScript(t *testing.T, state string, reply message, v values, r *wire.Recorder) *script {
	t.Helper()
	pair := func(name string) tls.Certificate {
		c, err := tls.LoadX509KeyPair(filepath.Join(state, name), filepath.Join(state, name))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s := &script{endpoint: pair("endpoint.key"), reply: reply, values: v, recorder: r}
	s.server = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair("tls-server.key")}}
	key, ok := s.endpoint.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("the endpoint's key is a %T", s.endpoint.PrivateKey)
	}
	var err error
	if s.key, err = key.ECDH(); err != nil {
		t.Fatal(err)
	}
	return s
}

// serve takes connections until ctx ends.
func (s *script) serve(ctx context.Context, ln net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	for {
		c, err := ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		running.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			inside := tls.Server(c, s.server)
			defer func() { _ = inside.Close() }()
			if err := s.answer(s.recorder.Tap(inside)); err != nil && ctx.Err() == nil {
				s.note(err)
			}
		})
	}
}

// answer answers requests. A reply that states its own length leaves the
// connection open; any other ends with it.
func (s *script) answer(c net.Conn) error {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return nil // the sidecar has closed the connection; what else it may be, the chats' number tells
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return err
		}
		if req.URL.Path == ark.CertificatePath {
			if err := s.sendCertificate(c); err != nil {
				return err
			}
			continue
		}
		reply, err := s.replyTo(req)
		if err != nil {
			return err
		}
		_, err = c.Write(reply) // the sidecar may well have had enough before the end
		if err != nil || !s.reply.hasLength() {
			return nil
		}
	}
}

// hasLength tells whether the head states the body's length, and the right one.
func (m message) hasLength() bool {
	return strings.Contains(m.head, "${length}") || strings.Contains(m.head, "Content-Length: 0")
}

func (s *script) sendCertificate(c net.Conn) error {
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.endpoint.Certificate[0]})
	doc, err := json.Marshal(map[string]string{"Certificate": string(leaf)})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(doc), doc)
	return err
}

// replyTo makes the reply, sealed under the request's session where it says so.
func (s *script) replyTo(req *http.Request) ([]byte, error) {
	seal := func(string) (string, error) {
		return "", errors.New("the request has no session to seal under")
	}
	if token := req.Header.Get(ark.HeaderSessionToken); token != "" {
		session, err := ark.AcceptSession(s.key, token)
		if err != nil {
			return nil, err
		}
		seal = func(text string) (string, error) { return string(session.Seal(nil, []byte(text))), nil }
	}
	other, err := ark.NewSession(s.key.PublicKey())
	if err != nil {
		return nil, err
	}
	return s.reply.bytes(s.values.
		with("seal", seal).
		with("foreign", func(text string) string { return string(other.Seal(nil, []byte(text))) }))
}

func (s *script) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, "the upstream's script: "+err.Error())
}

// noted is what was wrong with the script.
func (s *script) noted() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problems
}
