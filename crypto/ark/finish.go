package ark

import (
	"fmt"

	"sealcar/apierror"
)

// choiceSet is a set of choices: a bit for each index.
type choiceSet [maxChoices / 64]uint64

func (s *choiceSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s *choiceSet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *choiceSet) remove(i int)   { s[i/64] &^= 1 << (i % 64) }

// finish knows which choices of a reply have begun, and which of them have not
// ended.
type finish struct{ begun, open choiceSet }

// note takes in what one document says. A choice that says more after its
// finish_reason has to end again.
func (f *finish) note(choices []choiceState) {
	for _, c := range choices {
		if c.says || !f.begun.has(c.index) {
			f.open.add(c.index)
		}
		f.begun.add(c.index)
		if c.finished {
			f.open.remove(c.index)
		}
	}
}

// check is nil if there are choices, and each has a finish_reason: without one
// nobody knows whether the answer is all of it, or any.
func (f *finish) check() error {
	if f.begun == (choiceSet{}) {
		return apierror.BrokenReply("reply_unfinished", "the upstream's reply has no choice, so there is no answer in it", nil)
	}
	if f.open == (choiceSet{}) {
		return nil
	}
	for i := range maxChoices {
		if f.open.has(i) {
			return apierror.BrokenReply("reply_unfinished", fmt.Sprintf("choice %d of the upstream's reply has no finish_reason, so it may be incomplete", i), nil)
		}
	}
	return nil
}
