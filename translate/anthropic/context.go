package anthropic

import (
	"strings"

	"sealcar/translate/dialect"
)

// clearThinking begins the type of each version of the edit that leaves out what
// was thought (Anthropic, "Context editing": clear_thinking_20251015).
const clearThinking = "clear_thinking_"

// readContextManagement reads how the API's servers are to shorten the
// conversation. Claude Code asks with every request for an edit of what was
// thought, none of which is sent from here anyway. Every other edit changes what
// the model sees, so it is refused.
func readContextManagement(o *dialect.Object) {
	_, management, ok := o.TakeObject("context_management")
	if !ok {
		return
	}
	defer management.End()
	edits, ok := management.Take("edits")
	if !ok {
		return
	}
	for _, v := range edits.Items() {
		edit, ok := v.Object()
		if !ok {
			return
		}
		if kind := edit.Text("type"); !strings.HasPrefix(kind, clearThinking) {
			v.Refuse("is an edit of type " + dialect.Quoted(kind) + ", by which the API's own servers shorten the conversation: shorten it in the application, and leave the edit out (Claude Code does with CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1)")
		}
		edit.Drop("keep") // how much of it, of which there is nothing
		edit.End()
	}
}
