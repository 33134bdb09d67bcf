package dialect

import (
	"errors"
	"strconv"
	"strings"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// Name is what an API calls a member of a chat, by a path: of the chat itself
// (max_tokens), or, with a dot before it, of an element of a list (.image_url.url).
// Of several that fit the first counts.
type Name struct{ Chat, Own string }

// places are where the messages of a chat are in the request that it was made of.
// They are paths alone, for they are kept until the chat has been sent.
type places []messagePlace

type messagePlace struct {
	self, content string
	parts, calls  []string
}

func placesOf(c *Chat) places {
	list := make(places, len(c.Messages))
	for i, m := range c.Messages {
		list[i].self, list[i].content = m.From, m.ContentFrom
		if parts, ok := m.Content.([]Part); ok { // else it is a text
			list[i].parts = make([]string, len(parts))
			for j := range parts {
				list[i].parts[j] = parts[j].From
			}
		}
		if len(m.ToolCalls) > 0 {
			list[i].calls = make([]string, len(m.ToolCalls))
			for j := range m.ToolCalls {
				list[i].calls[j] = m.ToolCalls[j].From
			}
		}
	}
	return list
}

// What a place takes beside its text, in bytes.
const (
	messageSize = 80
	stringSize  = 16
)

// size is what the places take in memory, in bytes.
func (p places) size() (n int64) {
	for _, m := range p {
		n += messageSize + int64(len(m.self)+len(m.content))
		for _, list := range [][]string{m.parts, m.calls} {
			for _, path := range list {
				n += stringSize + int64(len(path))
			}
		}
	}
	return n
}

// inRequest names what a chat was refused for by its place in the request, if it
// has one there: that is what the application knows. The message tells the chat's path
// too, for whoever looks for it there: the route's settings go by it where the policy
// refuses.
func (p places) inRequest(err error, names []Name) error {
	refusal, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		return err
	}
	own, known := p.find(refusal.Param, names)
	if known && own == refusal.Param {
		return err
	}
	e := *refusal
	if known {
		e = *refusal.Elsewhere(own)
	}
	e.Message += " (" + shown(refusal.Param) + " is its place in the chat that the request became"
	if strings.HasPrefix(refusal.Code, "unsealable_") {
		e.Message += ", by which the route's settings go"
	}
	e.Message += ".)"
	return &e
}

// find is the path in the request of a path in the chat.
func (p places) find(path string, names []Name) (own string, ok bool) {
	i, rest, ok := rewrite.Element(path, "messages")
	if !ok {
		// The list of tools is the same in both, and each may have members of other names.
		if i, rest, ok := rewrite.Element(path, "tools"); ok {
			return "tools[" + strconv.Itoa(i) + "]" + renamed(rest, names), true
		}
		return renamed(path, names), true
	}
	if i >= len(p) {
		return "", false
	}
	own, rest = p[i].find(rest)
	return own + renamed(rest, names), own != ""
}

// find is the place of what a path leads to from the message, and the rest of the
// path, which leads on from there.
func (m messagePlace) find(path string) (own, rest string) {
	if j, rest, ok := rewrite.Element(path, ".tool_calls"); ok {
		return at(m.calls, j), rest
	}
	j, rest, part := rewrite.Element(path, ".content")
	switch {
	case part && len(m.parts) > 0:
		return at(m.parts, j), rest
	case part, path == ".content", m.self == m.content: // instructions have no role
		return m.content, ""
	default:
		return m.self, path
	}
}

func at(list []string, i int) string {
	if i >= len(list) {
		return ""
	}
	return list[i]
}

// renamed is a path, or the end of one, by the names of the API.
func renamed(path string, names []Name) string {
	for _, n := range names {
		if rest, ok := strings.CutPrefix(path, n.Chat); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return n.Own + rest
		}
	}
	return path
}
