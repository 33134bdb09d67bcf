package images

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/rewrite"
)

// Defaults of a Transport.
const (
	defaultMaxImages = 16
	defaultMaxBytes  = 10 << 20
	defaultTimeout   = 10 * time.Second
)

// parallel is how many images of one request are fetched at a time.
const parallel = 4

// Transport fetches the linked images of chats and sends the chats on by Base
// with the images in them. It notes in the exchange.Record of the request's
// context how many there were and how long they took.
type Transport struct {
	Base    http.RoundTripper        // required: seals and sends
	Out     http.RoundTripper        // required: fetches; refuses addresses as a netguard.ErrRefused
	Applies func(*http.Request) bool // required: tells a chat that Base will seal; others pass unread

	// Judge refuses a chat that Base would refuse whatever its images are, before
	// any of them is fetched; required.
	Judge func(req *http.Request, body []byte) error

	MaxImages       int           // of one request; 0 means 16
	MaxBytes        int64         // of one image; 0 means 10 MiB
	MaxRequestBytes int64         // of a request, also with its images in it; 0 means 64 MiB
	Timeout         time.Duration // of all fetches of one request together; 0 means 10 s
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.Applies(req) {
		return t.Base.RoundTrip(req)
	}
	body, err := payload.Read(req, t.MaxRequestBytes, payload.SendLess)
	if err != nil {
		return nil, err
	}
	if body, err = t.inline(req, body); err != nil {
		exchange.From(req.Context()).Endpoint = req.URL.Path // one that Applies knows
		return nil, err
	}
	return payload.Send(t.Base, req.Clone(req.Context()), body)
}

// inline is the body with its linked images in it.
func (t *Transport) inline(req *http.Request, body []byte) ([]byte, error) {
	ctx := req.Context()
	links, err := findLinks(body, positive(t.MaxImages, defaultMaxImages))
	if _, faulty := errors.AsType[*rewrite.SyntaxError](err); faulty || err == nil && len(links) == 0 {
		return body, nil
	}
	if err != nil {
		return nil, err
	}
	if err := t.Judge(req, body); err != nil {
		return nil, err
	}
	start := time.Now()
	fetched, err := t.fetchAll(ctx, links, positive(t.MaxRequestBytes, payload.DefaultLimit)-int64(len(body)))
	record := exchange.From(ctx)
	record.Images, record.ImageFetch = len(links), time.Since(start)
	if err != nil {
		return nil, err
	}
	return splice(ctx, body, links, fetched)
}

// fetchAll gets the images of links, of which there is room bytes in the request.
func (t *Transport) fetchAll(ctx context.Context, links []link, room int64) ([]image, error) {
	limited, cancel := context.WithTimeoutCause(ctx, positive(t.Timeout, defaultTimeout), errTimeout)
	defer cancel()
	group, limited := errgroup.WithContext(limited)
	group.SetLimit(parallel)
	f := &fetcher{client: newClient(t.Out), maxBytes: positive(t.MaxBytes, defaultMaxBytes)}
	f.room.Store(room)
	fetched := make([]image, len(links))
	for i, l := range links {
		group.Go(func() error {
			got, err := f.fetch(limited, l.url)
			if err != nil {
				return explain(err, l.path)
			}
			fetched[i] = got
			return nil
		})
	}
	err := group.Wait()
	if ctx.Err() != nil { // whoever asked is gone: no fault of an image
		return nil, context.Cause(ctx)
	}
	return fetched, err
}

// splice puts images in the place of their links.
func splice(ctx context.Context, body []byte, links []link, images []image) ([]byte, error) {
	spans, size := make([]rewrite.Span, len(links)), len(body)
	for i, l := range links {
		spans[i] = l.span
		size += images[i].size()
	}
	if err := payload.Reserve(ctx, int64(size)); err != nil {
		return nil, err
	}
	i := -1
	return rewrite.Splice(make([]byte, 0, size), body, spans, func(dst, _ []byte) ([]byte, error) {
		i++
		return append(images[i].appendTo(append(dst, '"')), '"'), nil // base64 needs no escapes
	})
}

// image is one that was fetched.
type image struct {
	mediaType string
	data      []byte
}

// size bounds the length of the image as a data: URL in quotes.
func (m image) size() int {
	return len(m.mediaType) + base64.StdEncoding.EncodedLen(len(m.data)) + len(`"data:;base64,"`)
}

// appendTo appends the image as a data: URL (RFC 2397).
func (m image) appendTo(dst []byte) []byte {
	dst = append(append(append(dst, "data:"...), m.mediaType...), ";base64,"...)
	return base64.StdEncoding.AppendEncode(dst, m.data)
}

func positive[N int | int64 | time.Duration](given, otherwise N) N {
	if given > 0 {
		return given
	}
	return otherwise
}
