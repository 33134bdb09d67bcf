package enclave

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxChoices bounds n, as OpenAI does.
const maxChoices = 128

// echoRequest is what the echo understands of a chat; the rest is ignored.
type echoRequest struct {
	Model         string        `json:"model"`
	Messages      []echoMessage `json:"messages"`
	Stream        bool          `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N                   *int       `json:"n"`
	MaxTokens           *int       `json:"max_tokens"`
	MaxCompletionTokens *int       `json:"max_completion_tokens"`
	Tools               []echoTool `json:"tools"`
	ToolChoice          toolChoice `json:"tool_choice"`

	inForm bool // the tools came in the form of echo_form.go
}

type echoMessage struct {
	Role    string      `json:"role"`
	Content echoContent `json:"content"`
}

type echoTool struct {
	Function struct {
		Name       string `json:"name"`
		Parameters struct {
			Properties map[string]struct {
				Type string `json:"type"`
			} `json:"properties"`
			Required []string `json:"required"`
		} `json:"parameters"`
	} `json:"function"`
}

// parseEcho reads and checks a request.
func parseEcho(body []byte) (*echoRequest, *echoError) {
	r := &echoRequest{}
	if err := json.Unmarshal(body, r); err != nil {
		message, param := "the body is not a chat request in JSON", ""
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			param = e.Field
		} else if e, ok := errors.AsType[*contentError](err); ok {
			message, param = e.Error(), "messages"
		}
		return nil, invalidEcho(message, param)
	}
	switch {
	case len(r.Messages) == 0:
		return nil, invalidEcho("the request has no messages", "messages")
	case r.N != nil && (*r.N < 1 || *r.N > maxChoices):
		return nil, invalidEcho(fmt.Sprintf("n is not between 1 and %d", maxChoices), "n")
	case r.limit() != nil && *r.limit() < 1:
		return nil, invalidEcho("the number of tokens is less than 1", "max_tokens")
	}
	for i, m := range r.Messages {
		if m.Role == "" {
			return nil, invalidEcho("a message has no role", fmt.Sprintf("messages[%d].role", i))
		}
	}
	r.followForm()
	return r, nil
}

func invalidEcho(message, param string) *echoError {
	return &echoError{http.StatusBadRequest, message, param, "invalid_request"}
}

// limit is the most words an answer may have; nil is any number.
func (r *echoRequest) limit() *int {
	if r.MaxCompletionTokens != nil {
		return r.MaxCompletionTokens
	}
	return r.MaxTokens
}

func (r *echoRequest) choices() int {
	if r.N == nil {
		return 1
	}
	return *r.N
}

// lastUserText is the text of the last message of a user.
func (r *echoRequest) lastUserText() string {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == "user" {
			return string(m.Content)
		}
	}
	return ""
}

// toolChoice is "none", "auto", "required", or the function that is named.
type toolChoice struct{ mode, function string }

// UnmarshalJSON implements json.Unmarshaler.
func (c *toolChoice) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("{")) {
		var named struct{ Function struct{ Name string } }
		err := json.Unmarshal(data, &named)
		c.function = named.Function.Name
		return err
	}
	return json.Unmarshal(data, &c.mode)
}

// contentError is a content that the echo cannot describe.
type contentError struct{ reason string }

func (e *contentError) Error() string { return e.reason }

// echoContent is a message's content as text: parts joined by spaces, images
// described.
type echoContent string

// UnmarshalJSON implements json.Unmarshaler.
func (c *echoContent) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("[")) {
		var text string // null leaves it empty
		if err := json.Unmarshal(data, &text); err != nil {
			return &contentError{"a content is neither a string nor a list of parts"}
		}
		*c = echoContent(text)
		return nil
	}
	var parts []echoPart
	if err := json.Unmarshal(data, &parts); err != nil {
		return &contentError{"a content's list of parts is not well-formed"}
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		text, err := p.text()
		if err != nil {
			return err
		}
		texts[i] = text
	}
	*c = echoContent(strings.Join(texts, " "))
	return nil
}

type echoPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	ImageURL struct {
		URL string `json:"url"`
	} `json:"image_url"`
}

func (p echoPart) text() (string, error) {
	switch p.Type {
	case "text":
		return p.Text, nil
	case "image_url":
		return describeImage(p.ImageURL.URL)
	default:
		return "[" + p.Type + "]", nil
	}
}

// describeImage says how large the image of a data: URL (RFC 2397) is, which
// shows that it came through whole.
func describeImage(url string) (string, error) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "[image linked]", nil
	}
	media, data, ok := strings.Cut(rest, ",")
	kind, encoded := strings.CutSuffix(media, ";base64")
	if !ok || !encoded {
		return "", &contentError{"an image's data: URL is not in base64"}
	}
	image, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return "", &contentError{"an image's data: URL is not well-formed base64"}
	}
	return fmt.Sprintf("[image %d bytes %s]", len(image), kind), nil
}
