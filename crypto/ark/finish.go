package ark

import (
	"fmt"

	"sealcar/apierror"
)

// unfinished are the choices of a stream that have begun and not ended: a bit
// for each index.
type unfinished [maxChoices / 64]uint64

// note takes in what one document says. A choice that goes on after its
// finish_reason has to end again.
func (u *unfinished) note(choices []choiceState) {
	for _, c := range choices {
		bit := uint64(1) << (c.index % 64)
		if c.says {
			u[c.index/64] |= bit
		}
		if c.finished {
			u[c.index/64] &^= bit
		}
	}
}

// check is nil if every choice that began has a finish_reason: without one
// nobody knows whether the answer is all of it.
func (u *unfinished) check() error {
	if *u == (unfinished{}) {
		return nil
	}
	for i := range maxChoices {
		if u[i/64]&(1<<(i%64)) != 0 {
			return apierror.BadReply("reply_unfinished", fmt.Sprintf("choice %d of the upstream's reply has content and no finish_reason, so it may be incomplete", i), nil)
		}
	}
	return nil
}
