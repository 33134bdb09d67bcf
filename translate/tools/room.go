package tools

import (
	"fmt"

	"sealcar/apierror"
	"sealcar/rewrite"
)

const defaultMaxValues = 1_000_000

// What takes memory beside the chat itself, in bytes: a value that is looked at,
// with its place in the lists here and the words of the form around it; and a
// byte of what moves, which is there as it is written into a block, quoted, and in
// the list of edits, in buffers that grow. The first few cost too little to ask.
const (
	valueCost  = 256
	textCost   = 8
	firstAsked = 16 << 10
)

// room bounds what moving the tools of one chat takes.
type room struct {
	limit  int // of values
	values int // that have come
	need   int64
	asked  int64
	ask    func(n int64) error // for n bytes in all
}

func newRoom(limit int, ask func(n int64) error) *room {
	if limit <= 0 {
		limit = defaultMaxValues
	}
	return &room{limit: limit, asked: firstAsked, ask: ask}
}

// forValue counts one more value.
func (r *room) forValue(v rewrite.Value) error {
	if r.values++; r.values > r.limit {
		return apierror.BadRequest("too_many_values", v.Path(), fmt.Sprintf("the request has more than %d values, so nothing was sent; send less or raise limits.json_values", r.limit))
	}
	return r.take(valueCost)
}

// forText counts n bytes that move.
func (r *room) forText(n int) error { return r.take(int64(n) * textCost) }

// take asks for some more than is needed, so that it need not ask for each value.
func (r *room) take(n int64) error {
	if r.need += n; r.need <= r.asked {
		return nil
	}
	r.asked = r.need + r.need/4
	return r.ask(r.asked)
}
