package ark

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// reading says what a chat is read for, which decides what may stand in it.
type reading int

const (
	toSeal reading = iota // the app's plaintext: whatever could not be sealed is refused
	toPass                // sealed by the app: the same, but that images are ciphertext
	toOpen                // come to the enclave: the client's SDK may have left image addresses and other parts in clear
)

// chatRequest is what sealing needs to know of a chat's body.
type chatRequest struct {
	model  string
	stream bool
	secret []rewrite.Span // the strings to seal, in document order
}

// readChat reads the body of a chat strictly and finds the strings that are, or
// are to be, sealed. A body with content that the protocol cannot seal is
// refused with the JSON path of the fault.
func readChat(body []byte, purpose reading) (*chatRequest, error) {
	s := chatScan{body: body, purpose: purpose}
	if err := rewrite.Scan(body, chatShape, s.value); err != nil {
		return nil, requestFault(err)
	}
	switch {
	case s.chat.model == "":
		return nil, refusal("invalid_request", "model", "the request names no model; put the endpoint id or model name there as a string")
	case !s.messages:
		return nil, refusal("invalid_request", "messages", "the request has no messages, so there is nothing that could be sealed; send a chat with a messages array")
	}
	return &s.chat, nil
}

// chatScan is the state of one scan of a chat's body.
type chatScan struct {
	body     []byte
	purpose  reading
	chat     chatRequest
	messages bool
	partType string
}

func (s *chatScan) value(v rewrite.Value) error {
	switch v.Name {
	case "body", "message", "image_url":
		return mustBe(v, "{}", "an object")
	case "messages":
		s.messages = true
		return mustBe(v, "[]", "an array")
	case "model":
		var err error
		s.chat.model, err = s.text(v)
		return err
	case "stream":
		s.chat.stream = v.Kind == 't'
		return mustBe(v, "tfn", "a boolean")
	case "content":
		if v.Kind == '"' {
			s.seal(v)
		}
		return mustBe(v, `"[]n`, "a string or a list of parts")
	default:
		return s.partValue(v)
	}
}

// partValue handles what stands inside one part of a content list.
func (s *chatScan) partValue(v rewrite.Value) error {
	switch v.Name {
	case "part":
		return s.part(v)
	case "type":
		var err error
		s.partType, err = s.text(v)
		return err
	case "text":
		s.seal(v)
		return mustBe(v, `"`, "a string")
	default: // url
		return s.imageURL(v)
	}
}

// imageURL handles the address of an image, which may be the image itself.
func (s *chatScan) imageURL(v rewrite.Value) error {
	url, err := s.text(v)
	switch {
	case err != nil:
		return err
	case s.purpose == toOpen && (hasScheme(url, "https:") || hasScheme(url, "http:")):
		return nil // base64 has no colon, so this is no ciphertext
	case s.purpose == toSeal && !hasScheme(url, "data:"):
		return refusal("unsealable_content", v.Path(), "only data: images can be sealed; the address of an image would leave in clear. Send the image itself as a data: URL")
	}
	s.seal(v)
	return nil
}

func hasScheme(url, scheme string) bool {
	return len(url) >= len(scheme) && strings.EqualFold(url[:len(scheme)], scheme)
}

// part opens and closes one part. Its type is judged at the end, for it may
// come after the text.
func (s *chatScan) part(v rewrite.Value) error {
	if v.Kind == '{' {
		s.partType = ""
	}
	if err := mustBe(v, "{}", "an object"); err != nil || v.Kind == '{' {
		return err
	}
	if s.purpose == toOpen || s.partType == "text" || s.partType == "image_url" {
		return nil
	}
	return refusal("unsealable_content", v.Path(), fmt.Sprintf("a content part of type %.40q cannot be sealed, so it is not sent; only text and image_url parts can", s.partType))
}

func (s *chatScan) seal(v rewrite.Value) {
	s.chat.secret = append(s.chat.secret, rewrite.Span{Start: v.Start, End: v.End})
}

func (s *chatScan) text(v rewrite.Value) (string, error) {
	if err := mustBe(v, `"`, "a string"); err != nil {
		return "", err
	}
	text, err := rewrite.Unquote(nil, s.body[v.Start:v.End])
	return string(text), err
}

func mustBe(v rewrite.Value, kinds, what string) error {
	if strings.IndexByte(kinds, v.Kind) >= 0 {
		return nil
	}
	return refusal("invalid_request", v.Path(), "this must be "+what)
}

func refusal(code, param, message string) *apierror.Error {
	return &apierror.Error{Status: http.StatusBadRequest, Code: code, Param: param, Message: message}
}

// requestFault turns a scan's error into what the application sees.
func requestFault(err error) error {
	if fault, ok := errors.AsType[*rewrite.SyntaxError](err); ok {
		e := refusal("invalid_json", fault.Path, fmt.Sprintf("the body is not strict JSON: %s at byte %d; nothing was sent", fault.Reason, fault.Offset))
		e.Cause = err
		return e
	}
	return err
}
