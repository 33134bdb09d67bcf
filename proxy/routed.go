package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"

	"sealcar/apierror"
	"sealcar/exchange"
)

// forwardRouted sends a request by its route's protocol, which seals it and opens
// the reply, and copies that. It does what httputil.ReverseProxy does for requests
// that can be no upgrade, with a fraction of its garbage: that makes a buffer of 32
// KiB for each reply, and keeps it as long as a stream lasts.
func (p *Proxy) forwardRouted(v *visit) {
	if v.body != nil {
		// A transport may go on reading after its error, which it must not once we
		// have returned (golang/go#46866).
		defer func() { _ = v.body.Close() }()
	}
	early := &interim{visit: v}
	resp, err := v.route.protocol.RoundTripper.RoundTrip(v.routed(early.passed(v.sent)))
	early.end()
	if err != nil {
		v.fail(err)
		return
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	removeHopByHop(resp.Header)
	if err := checkRouted(resp); err != nil {
		v.fail(err)
		return
	}
	p.watchReply(v, resp)
	v.copyReply(resp)
}

// routed is the request as its protocol gets it: pointed at its upstream, without
// what is between the application and us. Upgrades end here (RFC 9110 section 7.8).
// So does Expect: the protocol reads the whole body before it sends anything, and
// the server has told the application to go on by then.
func (v *visit) routed(ctx context.Context) *http.Request {
	out := v.outgoing(ctx)
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
	return out
}

// checkRouted refuses what would lead a routed application past sealcar: a
// redirect, which it would follow with its content in clear, and an upgrade. Nor
// does it let pass what checkStatus refuses.
func checkRouted(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return &apierror.Error{Status: http.StatusBadGateway, Code: "upstream_upgrade", Message: "The upstream switched protocols without being asked. Check that the route's upstream is the API server.", NoRetry: true}
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified:
		return &apierror.Error{Status: http.StatusBadGateway, Code: "upstream_redirect", Message: fmt.Sprintf("The upstream answered with a redirect (%d), which is not passed on: following it could send content past sealcar. Set the route's upstream to the final address.", resp.StatusCode), NoRetry: true}
	default:
		return checkStatus(resp)
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

// Sizes of the buffers that replies are copied with, in bytes. Events are short,
// and their streams open for long.
const (
	streamBuffer = 512
	replyBuffer  = 32 << 10
)

// copyReply sends the reply on, of one without a length each read at once. When it
// breaks off so does the application's connection: a clean end would make half a
// reply look whole.
func (v *visit) copyReply(resp *http.Response) {
	header := v.reply.Header()
	for name, values := range resp.Header {
		if own, ok := header[name]; ok {
			values = append(own, values...)
		}
		header[name] = values
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
