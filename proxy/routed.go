package proxy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"

	"sealcar/exchange"
)

// forwardRouted sends a request by its route's protocol and copies the reply. It
// does what httputil.ReverseProxy does for requests that can be no upgrade, with a
// fraction of its garbage: that makes a buffer of 32 KiB for each reply, and keeps
// it as long as a stream lasts.
func (p *Proxy) forwardRouted(v *visit, out *http.Request) {
	pointRouted(v, out)
	if v.body != nil {
		// A transport may go on reading after its error, which it must not once we
		// have returned (golang/go#46866).
		defer func() { _ = v.body.Close() }()
	}
	early := &interim{visit: v}
	resp, err := carry(early.watch(out))
	early.end()
	if err != nil {
		p.fail(nil, out, err)
		return
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	removeHopByHop(resp.Header)
	if err := p.checkReply(resp); err != nil {
		p.fail(nil, out, err)
		return
	}
	v.copyReply(resp)
}

// pointRouted points a request at its upstream and takes away what is between the
// application and us. Upgrades end here (RFC 9110 section 7.8). So does Expect: the
// protocol reads the whole body before it sends anything, and the server has told
// the application to go on by then.
func pointRouted(v *visit, out *http.Request) {
	out.URL, out.Host, out.RequestURI = v.url, v.url.Host, ""
	out.Close = false
	out.Trailer = nil // they come after what was checked
	out.Header = out.Header.Clone()
	removeHopByHop(out.Header)
	out.Header.Del("Expect")
	out.Header.Del("Http2-Settings") // hop-by-hop even where Connection does not name it (RFC 7540 section 3.2.1)
	if _, named := out.Header["User-Agent"]; !named {
		out.Header["User-Agent"] = []string{""} // else the transport would put a name of its own there
	}
}

// removeHopByHop takes away what is for one connection only (RFC 9110 section
// 7.6.1): what Connection names, and what was so before Connection had to say it.
func removeHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		delete(h, name)
	}
}

// interim passes 1xx responses on until the final one is there, and bounds them: a
// transport leaves that to whoever looks at them.
type interim struct {
	visit *visit

	mu    sync.Mutex // a transport may still read when it has given up
	count int
	over  bool
}

// watch lets the transport tell of interim responses.
func (i *interim) watch(r *http.Request) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: i.pass}))
}

func (i *interim) pass(status int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return nil
	}
	if i.count++; i.count > maxInterim {
		i.visit.stop(errInterim)
		return errInterim
	}
	own := i.visit.reply.Header()
	before := maps.Clone(own)
	exchange.DropOwnHeaders(http.Header(header))
	exchange.DropDetours(http.Header(header))
	maps.Copy(own, header)
	i.visit.reply.WriteHeader(status)
	clear(own)
	maps.Copy(own, before)
	return nil
}

func (i *interim) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
}

// Sizes of the buffers that replies are copied with, in bytes. Events are short,
// and their streams open for long.
const (
	streamBuffer = 1 << 10
	replyBuffer  = 32 << 10
)

// copyReply sends the reply on, of one without a length each read at once. When it
// breaks off so does the application's connection: a clean end would make half a
// reply look whole.
func (v *visit) copyReply(resp *http.Response) {
	header := v.reply.Header()
	exchange.DropOwnHeaders(resp.Trailer)
	for name, values := range resp.Header {
		header[name] = append(header[name], values...)
	}
	for name := range resp.Trailer {
		header.Add("Trailer", name)
	}
	v.reply.WriteHeader(resp.StatusCode)
	if err := v.copyBody(resp); err != nil {
		panic(http.ErrAbortHandler)
	}
	// The application need not wait for our log; and what has trailers is chunked,
	// else there is no room for them.
	_ = v.reply.FlushError() // if it fails, so will the server's own
	exchange.DropOwnHeaders(resp.Trailer)
	for name, values := range resp.Trailer {
		header[http.TrailerPrefix+name] = values
	}
}

func (v *visit) copyBody(resp *http.Response) error {
	streams := resp.ContentLength < 0
	size := int64(streamBuffer)
	if !streams {
		size = min(resp.ContentLength, replyBuffer)
	}
	buffer := make([]byte, max(size, 1))
	if streams && v.record.Treatment != exchange.Sealed { // those come with their first event at hand
		if err := v.reply.FlushError(); err != nil {
			return err
		}
	}
	for {
		n, err := resp.Body.Read(buffer)
		if werr := v.pass(buffer[:n], streams); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if streams && n == len(buffer) && n < replyBuffer { // long events
			buffer = make([]byte, min(4*n, replyBuffer))
		}
	}
}

// pass writes a piece of a reply.
func (v *visit) pass(piece []byte, flush bool) error {
	if len(piece) == 0 {
		return nil
	}
	if _, err := v.reply.Write(piece); err != nil || !flush {
		return err
	}
	return v.reply.FlushError()
}
