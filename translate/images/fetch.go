package images

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"sealcar/payload"
)

// maxRedirects is how often one image may be said to be elsewhere.
const maxRedirects = 3

// mediaTypes are the types of images that are taken, by the names that servers
// have for them. Each can be told by its first bytes, and none can hold a script.
//
//nolint:gochecknoglobals // an immutable table
var mediaTypes = map[string]string{
	"image/png":      "image/png",
	"image/jpeg":     "image/jpeg",
	"image/jpg":      "image/jpeg",
	"image/gif":      "image/gif",
	"image/webp":     "image/webp",
	"image/bmp":      "image/bmp",
	"image/x-ms-bmp": "image/bmp",
}

// fetcher gets the images of one request.
type fetcher struct {
	client   *http.Client
	maxBytes int64        // of one image
	room     atomic.Int64 // in the request for data: URLs, in bytes
}

// newClient follows some redirects. Each goes by out, and so by its guard.
func newClient(out http.RoundTripper) *http.Client {
	return &http.Client{Transport: out, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		req.Header.Del("Referer") // the address is between the application and its server
		switch {
		case len(via) > maxRedirects:
			return errRedirects
		case via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https":
			return errDowngrade
		default:
			return nil
		}
	}}
}

// fetch gets one image.
func (f *fetcher) fetch(ctx context.Context, url string) (image, error) {
	req, err := http.NewRequestWithContext(withoutValues(ctx), http.MethodGet, url, http.NoBody)
	if err != nil {
		return image{}, errAddress
	}
	req.Header.Set("Accept", "image/png, image/jpeg, image/gif, image/webp, image/bmp")
	req.Header.Set("User-Agent", "sealcar")
	resp, err := f.client.Do(req)
	if err != nil {
		return image{}, causeOr(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read from
	if resp.StatusCode != http.StatusOK {
		return image{}, statusError(resp.StatusCode)
	}
	mediaType := mediaTypes[payload.MediaType(resp.Header)]
	if mediaType == "" {
		return image{}, errType
	}
	data, err := f.read(ctx, resp)
	if err != nil {
		return image{}, causeOr(ctx, err)
	}
	if sniffed, _, _ := strings.Cut(http.DetectContentType(data), ";"); sniffed != mediaType {
		return image{}, errType
	}
	return f.admit(image{mediaType, data})
}

// withoutValues is a context that ends with ctx and has none of its values: among
// those is a trace by which interim responses (1xx) reach the application, and an
// image's server has nothing to say to it.
func withoutValues(ctx context.Context) context.Context { return valueless{ctx} }

type valueless struct{ context.Context }

// Value gives nil.
func (valueless) Value(any) any { return nil }

// read reads an image, if it is not over the limit.
func (f *fetcher) read(ctx context.Context, resp *http.Response) ([]byte, error) {
	if resp.ContentLength > f.maxBytes {
		return nil, errSize // no byte of it is taken into memory
	}
	data, err := payload.ReadPart(ctx, resp.Body, f.maxBytes, resp.ContentLength)
	if err == nil && int64(len(data)) > f.maxBytes {
		return nil, errSize
	}
	return data, err
}

// admit takes an image's room in the request.
func (f *fetcher) admit(m image) (image, error) {
	if f.room.Add(-int64(m.size())) < 0 {
		return image{}, errRoom
	}
	return m, nil
}

// causeOr is why ctx ended, if it has, for then err only says that it did.
func causeOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
