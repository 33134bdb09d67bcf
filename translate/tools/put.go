package tools

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"

	"sealcar/rewrite"
)

// put gives a choice the content that is left of its own, and its calls.
func (r *reply) put(c *choiceOf, a *answer, said []byte, calls []calling) error {
	content := []byte("null")
	if len(said) > 0 {
		var err error
		if content, err = rewrite.Quote(nil, said); err != nil {
			return err
		}
	}
	list, err := r.toolCalls(a, calls)
	if err != nil {
		return err
	}
	if list != nil && c.calls.kind != 0 { // the empty list that some servers send with every message
		r.edits = append(r.edits, edit{c.calls.span, list})
	} else if list != nil {
		content = slices.Concat(content, []byte(`,"tool_calls":`), list)
	}
	r.edits = append(r.edits, r.contentOf(c, content))
	return nil
}

// contentOf is the edit that makes content, with what follows it, the content of
// a choice. At the end of a stream there may be no content and no delta.
func (r *reply) contentOf(c *choiceOf, content []byte) edit {
	member := append([]byte(`"content":`), content...)
	switch c.said.kind {
	case '}':
		if c.content.kind != 0 {
			return edit{c.content.span, content}
		}
		if !isHollow(r.raw(c.said)) {
			member = append(member, ',')
		}
		return edit{at(c.said.span.Start + 1), member}
	case 'n':
		return edit{c.said.span, slices.Concat([]byte("{"), member, []byte("}"))}
	default: // the choice has its finish_reason at least
		return edit{at(c.object.span.Start + 1), slices.Concat([]byte(`"delta":{`), member, []byte("},"))}
	}
}

// toolCalls are calls as the API has them, nil for none. In a stream each comes
// whole, in one delta: what it calls is known once it is whole.
func (r *reply) toolCalls(a *answer, calls []calling) (list []byte, err error) {
	for i, c := range calls {
		var id [12]byte
		if _, err := io.ReadFull(r.random, id[:]); err != nil {
			return nil, fmt.Errorf("drawing the id of a call: %w", err)
		}
		list = append(list, "[,"[min(i, 1)], '{')
		if r.stream {
			list = append(strconv.AppendInt(append(list, `"index":`...), int64(a.count), 10), ',')
		}
		a.count++
		list = append(hex.AppendEncode(append(list, `"id":"call_`...), id[:]), `","type":"function","function":{"name":`...)
		if list, err = rewrite.Quote(list, []byte(c.name)); err != nil {
			return nil, err
		}
		if list, err = rewrite.Quote(append(list, `,"arguments":`...), c.arguments); err != nil {
			return nil, err
		}
		list = append(list, "}}"...)
	}
	if list != nil {
		list = append(list, ']')
	}
	return list, nil
}

// isHollow tells whether a container in JSON holds nothing.
func isHollow(raw []byte) bool { return len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0 }
