package soak

import (
	"context"
	"fmt"
	"net/http"
)

// refusal is a request that must not leave, and what the application is told.
type refusal struct {
	name    string
	status  int
	code    string
	request func(c *caller, content string) asked
}

// refusals are kinds too. Each has content, which must not be on the wire.
func refusals() []kind {
	var all []kind
	for _, r := range allRefusals() {
		all = append(all, kind{"refused: " + r.name, 1, r.ask})
	}
	return all
}

func (r refusal) ask(ctx context.Context, c *caller) error {
	got, err := c.whole(ctx, r.request(c, quote(c.text(c.size(64, 4<<10), 8))), r.status)
	if err != nil {
		return err
	}
	return judgeError(got, "sealcar_error", r.code)
}

func allRefusals() []refusal {
	return []refusal{
		{"two members of one name", 400, "invalid_json", chatWith(`{"model":"ep-1","messages":[],"messages":[{"role":"user","content":%s}]}`)},
		{"a second document", 400, "invalid_json", chatWith(`{"model":"ep-1","messages":[{"role":"user","content":"x"}]} %s`)},
		{"half a document", 400, "invalid_json", chatWith(`{"model":"ep-1","messages":[{"role":"user","content":%s}`)},
		{"content of no known kind", 400, "unsealable_content", chatWith(`{"model":"ep-1","messages":[{"role":"user","content":[{"type":"novel","novel":%s}]}]}`)},
		{"an image by address", 400, "unsealable_content", chatWith(`{"model":"ep-1","messages":[{"role":"user","content":[{"type":"text","text":%s},{"type":"image_url","image_url":{"url":"http://127.0.0.1/"}}]}]}`)},
		{"an unknown parameter", 400, "unsealable_field", chatWith(`{"model":"ep-1","hint":%s,"messages":[{"role":"user","content":"x"}]}`)},
		{"another endpoint", 400, "endpoint_not_sealable", func(_ *caller, content string) asked {
			return asked{path: "/v1/embeddings", body: fmt.Sprintf(`{"model":"ep-1","input":%s}`, content)}
		}},
		{"a path that can be read in two ways", 400, "ambiguous_path", func(_ *caller, content string) asked {
			return asked{path: "/v1//chat/completions", body: fmt.Sprintf(oneMessage, content)}
		}},
		{"another media type", 400, "unsupported_content_type", headedBy("Content-Type", "text/plain")},
		{"a compressed body", 400, "unsupported_content_encoding", headedBy("Content-Encoding", "gzip")},
		{"a session of the application's", 400, "invalid_session_token", headedBy("X-Session-Token", "none")},
		{"no API key", http.StatusUnauthorized, "missing_api_key", headedBy("Authorization", "")},
		{"a response that is stored", 400, "unsupported_parameter", func(_ *caller, content string) asked {
			return asked{path: pathResponses, body: fmt.Sprintf(`{"model":"ep-1","previous_response_id":"resp_1","input":%s}`, content)}
		}},
		{"a parameter that nobody knows", 400, "unknown_parameter", func(_ *caller, content string) asked {
			return asked{path: pathResponses, body: fmt.Sprintf(`{"model":"ep-1","input":"x","hint":%s}`, content)}
		}},
	}
}

const oneMessage = `{"model":"ep-1","messages":[{"role":"user","content":%s}]}`

// chatWith is a chat whose body has the content at one place.
func chatWith(format string) func(*caller, string) asked {
	return func(_ *caller, content string) asked {
		return asked{path: pathChat, body: fmt.Sprintf(format, content)}
	}
}

// headedBy is a chat with another header.
func headedBy(name, value string) func(*caller, string) asked {
	return func(_ *caller, content string) asked {
		return asked{path: pathChat, body: fmt.Sprintf(oneMessage, content), header: map[string]string{name: value}}
	}
}
