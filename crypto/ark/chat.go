package ark

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"

	"sealcar/apierror"
	"sealcar/payload"
	"sealcar/rewrite"
)

// reading says what a chat is read for, which decides what may stand in it.
type reading int

const (
	toSeal reading = iota // the app's plaintext
	toPass                // sealed by the app: images are ciphertext, and nothing is changed
	toOpen                // come to the enclave: what may be in clear was the client's to judge
)

// maxReported bounds the paths that are kept of one request; the rest is counted.
const maxReported = 32

// chatRequest is what sealing needs to know of a chat's body.
type chatRequest struct {
	model  string
	stream bool
	secret []rewrite.Span // the strings to seal, in document order
	cuts   []rewrite.Span // what is taken out, in document order

	clear   []string // paths of what leaves in clear beside them, at most maxReported
	cleared int      // all of it
	unsafe  bool     // some of it is content, let through by an unsafe_allow
}

// readChat reads the body of a chat strictly and finds the strings that are, or
// are to be, sealed. Whatever cannot be sealed is judged by the policy; what that
// does not let through is refused with its JSON path.
func readChat(body []byte, purpose reading, policy *Policy) (*chatRequest, error) {
	s := chatScan{body: body, purpose: purpose, policy: policy}
	if err := rewrite.Scan(body, policy.shapeFor(purpose), s.value); err != nil {
		return nil, s.fault(err)
	}
	switch {
	case purpose != toOpen && !isWord([]byte(s.chat.model)):
		return nil, apierror.BadRequest("invalid_model", "model", "the model's name leaves in clear, so it must be one word of at most 128 letters, digits and _-.:/@+|; nothing was sent. Send the endpoint id or model name")
	case s.chat.model == "":
		return nil, apierror.BadRequest("invalid_request", "model", "the request names no model; put the endpoint id or model name there as a string")
	case !s.messages:
		return nil, apierror.BadRequest("invalid_request", "messages", "the request has no messages, so there is nothing that could be sealed; send a chat with a messages array")
	}
	return &s.chat, nil
}

// fault is what the application sees of the error that ended the scan. A body
// that is no strict JSON is told so, even if something before the fault is refused
// by the policy: what that would be said of has several readings.
func (s *chatScan) fault(err error) error {
	_, told := errors.AsType[*rewrite.SyntaxError](err)
	if !told && s.values <= s.policy.maxValues { // beyond that enough was looked at
		err = cmp.Or(rewrite.Scan(s.body, s.policy.shapeFor(s.purpose), func(rewrite.Value) error { return nil }), err)
	}
	return requestFault(err)
}

// chatScan is the state of one scan of a chat's body.
type chatScan struct {
	body     []byte
	purpose  reading
	policy   *Policy
	chat     chatRequest
	values   int
	messages bool
	partType string
}

func (s *chatScan) value(v rewrite.Value) error {
	if s.values++; s.values > s.policy.maxValues {
		return apierror.BadRequest("too_many_values", v.Path(), fmt.Sprintf("the request has more than %d values, so nothing was sent; send less or raise limits.json_values", s.policy.maxValues))
	}
	switch classOf(v.Name) {
	case object:
		return payload.MustBe(v, "{}", "an object")
	case messageList:
		s.messages = true
		return payload.MustBe(v, "[]", "an array")
	case modelName:
		var err error
		s.chat.model, err = s.text(v)
		return err
	case streamFlag:
		s.chat.stream = v.Kind == 't'
		return payload.MustBe(v, "tfn", "a boolean")
	case secretContent, contentPart, partType, secretText, imageAddress:
		return s.content(v)
	case stripped:
		if v.Kind != '{' && v.Kind != '[' {
			s.chat.cuts = rewrite.Cut(s.chat.cuts, s.body, rewrite.Span{Start: v.Start, End: v.End})
		}
		return nil
	default:
		return s.beside(v, exposureOf(s.body, v))
	}
}

// content handles what stands in the content of a message.
func (s *chatScan) content(v rewrite.Value) error {
	switch classOf(v.Name) {
	case secretContent:
		if v.Kind == '"' {
			s.seal(v.Start, v.End)
		}
		return payload.MustBe(v, `"[]n`, "a string or a list of parts")
	case contentPart:
		return s.part(v)
	case partType:
		var err error
		s.partType, err = s.text(v)
		return err
	case secretText:
		s.seal(v.Start, v.End)
		return payload.MustBe(v, `"`, "a string")
	default:
		return s.imageURL(v)
	}
}

// imageURL handles the address of an image, which may be the image itself.
func (s *chatScan) imageURL(v rewrite.Value) error {
	if err := payload.MustBe(v, `"`, "a string"); err != nil {
		return err
	}
	linked := s.hasScheme(v, "https:") || s.hasScheme(v, "http:")
	switch {
	case s.purpose == toOpen && linked:
		return nil // base64 has no colon, so this is no ciphertext
	case s.purpose == toSeal && !linked && !s.hasScheme(v, "data:"):
		return cannotSeal(v.Path(), "an image is sealed as a data: URL, or an http(s) address by a policy that allows it; "+v.Path()+" is neither")
	case s.purpose != toOpen && linked:
		err := s.beside(v, content)
		if err == nil || s.purpose == toSeal {
			return err
		}
		// The app said that it sealed this. It did not, as will be seen.
	}
	s.seal(v.Start, v.End)
	return nil
}

// hasScheme tells whether a string begins with scheme. An image is not unquoted
// for it: it may be large.
func (s *chatScan) hasScheme(v rewrite.Value, scheme string) bool {
	head := s.body[v.Start+1 : min(v.End-1, v.Start+1+len(scheme))]
	if bytes.IndexByte(head, '\\') >= 0 {
		text, err := rewrite.Unquote(nil, s.body[v.Start:v.End])
		if err != nil {
			return false
		}
		head = text[:min(len(text), len(scheme))]
	}
	return strings.EqualFold(string(head), scheme)
}

// part opens and closes one part. Its type is judged at the end, for it may
// come after the text. Types whose content has a place in the table were judged
// there.
func (s *chatScan) part(v rewrite.Value) error {
	if v.Kind == '{' {
		s.partType = ""
	}
	if err := payload.MustBe(v, "{}", "an object"); err != nil || v.Kind == '{' {
		return err
	}
	switch s.partType {
	case "text", "image_url", "video_url", "input_audio", "file", "refusal":
		return nil
	default:
		return s.beside(v, content)
	}
}

// beside judges a value that is not sealed.
func (s *chatScan) beside(v rewrite.Value, e exposure) error {
	if e == nothing { // as most are; a method value costs more than that
		return nil
	}
	return s.judge(v.Path, e)
}

// judge judges by the policy what is not sealed, and where.
func (s *chatScan) judge(path func() string, e exposure) error {
	if e == nothing || s.purpose == toOpen {
		return nil
	}
	mode := s.policy.modeAt(path)
	switch {
	case !mode.lets(e) && e == content:
		at := path()
		return cannotSeal(at, reportable(at)+" is content that the protocol cannot seal")
	case !mode.lets(e):
		return apierror.BadRequest("unsealable_field", path(), reportable(path())+" cannot be sealed, and the route's policy does not let it leave in clear, so nothing was sent. Leave it out, have it taken out by the route's strip, or give its path a place in residue_exceptions")
	}
	s.chat.cleared++
	s.chat.unsafe = s.chat.unsafe || e == content
	if len(s.chat.clear) < maxReported {
		s.chat.clear = append(s.chat.clear, reportable(path()))
	}
	return nil
}

// reportable is a path without names that are no plain words: they are for the
// application that sent them, not for logs.
func reportable(path string) string {
	if words, _, odd := strings.Cut(path, `["`); odd {
		return words + "[?]"
	}
	return strings.ReplaceAll(path, "…", "...") // of a path that was cut
}

func (s *chatScan) seal(start, end int) {
	s.chat.secret = append(s.chat.secret, rewrite.Span{Start: start, End: end})
}

func (s *chatScan) text(v rewrite.Value) (string, error) {
	if err := payload.MustBe(v, `"`, "a string"); err != nil {
		return "", err
	}
	text, err := rewrite.Unquote(nil, s.body[v.Start:v.End])
	return string(text), err
}

func cannotSeal(path, what string) *apierror.Error {
	return apierror.BadRequest("unsealable_content", path, what+", so nothing was sent. Text parts and images as data: URLs are sealed; leave the rest out, or let it leave in clear by unsafe_allow, as the route's residue or for its path in residue_exceptions")
}

// requestFault turns a scan's error into what the application sees.
func requestFault(err error) error {
	if fault, ok := errors.AsType[*rewrite.SyntaxError](err); ok {
		e := apierror.BadRequest("invalid_json", fault.Path, fmt.Sprintf("the body is not strict JSON: %s at byte %d; nothing was sent", fault.Reason, fault.Offset))
		e.Cause = err
		return e
	}
	return err
}
