package images

import (
	"bytes"
	"strings"

	"sealcar/rewrite"
)

// link is an image's address in a request.
type link struct {
	url  string
	path string       // where it stands, as in messages[0].content[1].image_url.url
	span rewrite.Span // of the string, quotes included
}

// linkShape asks for messages[*].content[*].image_url.url.
//
//nolint:gochecknoglobals // an immutable table
var linkShape = at("messages", each(at("content", each(at("image_url", at("url", &rewrite.Shape{Name: "url"}))))))

func at(name string, s *rewrite.Shape) *rewrite.Shape {
	return &rewrite.Shape{Fields: map[string]*rewrite.Shape{name: s}}
}

func each(s *rewrite.Shape) *rewrite.Shape { return &rewrite.Shape{Items: s} }

// maxURL bounds an address, in bytes of its JSON. What is longer is taken for a
// data: URL, and refused as an address where the request is sealed.
const maxURL = 16 << 10

// findLinks finds the http(s) addresses of images in a chat, at most limit. A body that
// is no strict JSON is a *rewrite.SyntaxError.
func findLinks(body []byte, limit int) ([]link, error) {
	// A name written with escapes is missed here. Then the address is refused
	// where the request is sealed, as it would be without this package.
	if !bytes.Contains(body, []byte(`"image_url"`)) {
		return nil, nil
	}
	var links []link
	err := rewrite.Scan(body, linkShape, func(v rewrite.Value) error {
		if v.Kind != '"' || v.End-v.Start > maxURL {
			return nil
		}
		text, err := rewrite.Unquote(nil, body[v.Start:v.End])
		if err != nil {
			return err
		}
		if !isLink(string(text)) {
			return nil
		}
		if len(links) == limit {
			return tooMany(v.Path(), limit)
		}
		links = append(links, link{url: string(text), path: v.Path(), span: rewrite.Span{Start: v.Start, End: v.End}})
		return nil
	})
	return links, err
}

func isLink(s string) bool {
	scheme, _, ok := strings.Cut(s, ":")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}
