package proxy_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// insistent is an ordinary client that offers nothing but HTTP/2, through the rig
// as a proxy.
func (r *rig) insistent() *http.Client {
	r.t.Helper()
	tr := &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: r.Addr().String()}),
		TLSClientConfig:    &tls.Config{RootCAs: r.roots()},
		DisableCompression: true,
		Protocols:          new(http.Protocols),
	}
	tr.Protocols.SetHTTP2(true)
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// offering is TLS inside a CONNECT with what a client offers by ALPN.
func (c *raw) offering(r *rig, protocols ...string) (*tls.Conn, error) {
	c.t.Helper()
	conn := tls.Client(c, &tls.Config{RootCAs: r.roots(), ServerName: routedHost, NextProtos: protocols})
	return conn, conn.HandshakeContext(c.t.Context())
}

// overTLS is a connection to a data port with TLS.
func (r *rig) overTLS(server *pki, cert *tls.Certificate, protocols ...string) (*tls.Conn, error) {
	r.t.Helper()
	c := &tls.Config{RootCAs: server.pool(), ServerName: "127.0.0.1", NextProtos: protocols}
	if cert != nil {
		c.Certificates = []tls.Certificate{*cert}
	}
	conn := tls.Client(r.dial(""), c)
	return conn, conn.HandshakeContext(r.t.Context())
}

// frames is a client of HTTP/2, frame by frame.
type frames struct {
	*http2.Framer
	t       *testing.T
	conn    net.Conn
	block   bytes.Buffer
	encoder *hpack.Encoder
	last    uint32 // the stream of the last request
	offered map[http2.SettingID]uint32
}

// frames opens a CONNECT, TLS and a connection of HTTP/2 with settings in it.
func (r *rig) frames(settings ...http2.Setting) *frames {
	r.t.Helper()
	conn, err := r.connect(routedHost+":443").offering(r, "h2")
	if err != nil {
		r.t.Fatal(err)
	}
	return framesOver(r.t, conn, settings...)
}

func framesOver(t *testing.T, conn net.Conn, settings ...http2.Setting) *frames {
	t.Helper()
	f := &frames{Framer: http2.NewFramer(conn, conn), t: t, conn: conn, offered: make(map[http2.SettingID]uint32)}
	f.encoder = hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err := io.WriteString(conn, http2.ClientPreface)
	if err == nil {
		err = f.WriteSettings(settings...)
	}
	if err != nil {
		t.Fatal(err)
	}
	first, ok := f.next().(*http2.SettingsFrame)
	if !ok {
		t.Fatal("the server does not begin with SETTINGS")
	}
	_ = first.ForeachSetting(func(s http2.Setting) error {
		f.offered[s.ID] = s.Val
		return nil
	})
	f.must(f.WriteSettingsAck())
	return f
}

func (f *frames) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// next is the next frame that is neither about settings nor about windows.
func (f *frames) next() http2.Frame {
	f.t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			f.t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				return frame
			}
		case *http2.WindowUpdateFrame:
		default:
			return frame
		}
	}
}

// head is the fields of an ordinary chat. Changes are fields that take the place
// of those of their name, which leave out ("-name"), or are added ("+name").
func head(changes ...hpack.HeaderField) []hpack.HeaderField {
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: routedHost},
		{Name: ":path", Value: "/v1/chat/completions"},
		{Name: "content-type", Value: "application/json"},
		{Name: "authorization", Value: "Bearer key"},
	}
	for _, change := range changes {
		name, out := strings.CutPrefix(change.Name, "-")
		name, more := strings.CutPrefix(name, "+")
		at := len(fields)
		for i, field := range fields {
			if field.Name == name && !more {
				at = i
			}
		}
		change.Name = name
		switch {
		case out:
			fields = append(fields[:at], fields[at+1:]...)
		case at < len(fields):
			fields[at] = change
		default:
			fields = append(fields, change)
		}
	}
	return fields
}

// headers sends the head of a new request and gives its stream.
func (f *frames) headers(end bool, fields ...hpack.HeaderField) uint32 {
	f.t.Helper()
	f.last = max(f.last+2, 1) | 1
	f.must(f.send(f.last, end, fields...))
	return f.last
}

func (f *frames) send(stream uint32, end bool, fields ...hpack.HeaderField) error {
	f.block.Reset()
	for _, field := range fields {
		_ = f.encoder.WriteField(field) // a buffer takes everything
	}
	block := f.block.Bytes()
	first := block[:min(len(block), 16<<10)]
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: len(first) == len(block)})
	for block = block[len(first):]; err == nil && len(block) > 0; {
		piece := block[:min(len(block), 16<<10)]
		block = block[len(piece):]
		err = f.WriteContinuation(stream, len(block) == 0, piece)
	}
	return err
}

// post sends a whole chat.
func (f *frames) post(changes ...hpack.HeaderField) uint32 {
	f.t.Helper()
	stream := f.headers(false, head(changes...)...)
	f.must(f.WriteData(stream, true, []byte(chat)))
	return stream
}

// outcome is what became of a request.
type outcome struct {
	status  string
	body    string
	reset   http2.ErrCode // that of RST_STREAM behind status and body
	broken  bool          // by RST_STREAM
	header  http.Header
	trailer http.Header
}

func (o outcome) String() string {
	if o.broken {
		return strings.TrimSpace(fmt.Sprintf("%s %s, then %v", o.status, o.body, o.reset))
	}
	return o.status + " " + o.body
}

// outcome reads until a stream ends; frames of others are passed over.
func (f *frames) outcome(stream uint32) outcome {
	f.t.Helper()
	var o outcome
	for {
		frame := f.next()
		if away, ok := frame.(*http2.GoAwayFrame); ok && away.ErrCode != http2.ErrCodeNo {
			f.t.Fatalf("the connection ends: %v", away)
		}
		if frame.Header().StreamID != stream {
			continue
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			fields := make(http.Header)
			for _, field := range frame.RegularFields() {
				fields.Add(field.Name, field.Value)
			}
			if status := frame.PseudoValue("status"); status != "" {
				o.status, o.header = strings.TrimPrefix(o.status+" "+status, " "), fields
			} else {
				o.trailer = fields
			}
		case *http2.DataFrame:
			o.body += string(frame.Data())
			f.must(f.credit(stream, len(frame.Data())))
		case *http2.RSTStreamFrame:
			o.broken, o.reset = true, frame.ErrCode
			return o
		}
		if frame.Header().Flags.Has(http2.FlagDataEndStream) { // HEADERS has the same bit
			return o
		}
	}
}

// credit lets the server send as much again.
func (f *frames) credit(stream uint32, n int) error {
	if n == 0 {
		return nil
	}
	if err := f.WriteWindowUpdate(0, uint32(n)); err != nil {
		return err
	}
	return f.WriteWindowUpdate(stream, uint32(n))
}

// away reads until the connection ends and gives the last GOAWAY's code, or that
// there was none.
func (f *frames) away() (code http2.ErrCode, said bool) {
	f.t.Helper()
	for {
		frame, err := f.ReadFrame()
		if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
			f.t.Fatal("the connection does not end")
		}
		if err != nil {
			return code, said
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			code, said = away.ErrCode, true
		}
	}
}

// codeOf is the code of an error document, "" of anything else.
func codeOf(body string) string {
	var doc struct{ Error struct{ Code string } }
	_ = json.Unmarshal([]byte(body), &doc)
	return doc.Error.Code
}

// field is one field of a head.
func field(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }

// soon is a time that comes at once, where a test waits for a time-out.
const soon = time.Second
