package anthropic

import (
	"encoding/json"

	"sealcar/translate/dialect"
)

// readTools reads the tools that the model may call, and how.
func readTools(o *dialect.Object, chat *dialect.Chat) {
	if v, ok := o.Take("tools"); ok {
		for _, item := range v.Items() {
			if tool, ok := item.Object(); ok {
				chat.Tools = append(chat.Tools, toolOf(item, tool))
			}
		}
	}
	if v, choice, ok := o.TakeObject("tool_choice"); ok {
		chat.ToolChoice = toolChoice(v, choice)
		if choice.True("disable_parallel_tool_use") {
			chat.ParallelToolCalls = json.RawMessage("false")
		}
		choice.End()
	}
}

func toolOf(v dialect.Value, tool *dialect.Object) dialect.Tool {
	if kind := tool.Text("type"); kind != "" && kind != "custom" {
		v.Refuse("is a tool of type " + dialect.Quoted(kind) + ": only tools that the application describes itself can be translated")
		return dialect.Tool{}
	}
	tool.Need("name")
	tool.Need("input_schema")
	tool.Drop("cache_control", "eager_input_streaming")
	tool.Refuse("has the API's own servers load the tool once a search finds it: leave it out, so that the model sees the tool at once", "defer_loading")
	tool.Refuse("has the API's own servers read them: write the examples into the tool's description", "input_examples")
	readCallers(tool)
	defer tool.End()
	return dialect.Tool{Type: "function", Function: dialect.Function{
		Name:        tool.Raw("name", `"`),
		Description: tool.Raw("description", `"`),
		Parameters:  tool.Raw("input_schema", "{"),
		Strict:      tool.Raw("strict", "t"),
	}}
}

// readCallers reads who may call a tool. A chat knows one caller, the model
// itself, which is direct; the others are programs that the API's servers run.
func readCallers(tool *dialect.Object) {
	callers, ok := tool.Take("allowed_callers")
	if !ok {
		return
	}
	for _, v := range callers.Items() {
		if caller := v.Text(); caller != "direct" {
			v.Refuse("lets " + dialect.Quoted(caller) + " call the tool, which only the API's own servers run: leave it out, or allow direct alone")
		}
	}
}

func toolChoice(v dialect.Value, choice *dialect.Object) any {
	switch kind := choice.Text("type"); kind {
	case "auto", "none":
		return kind
	case "any":
		return "required"
	case "tool":
		choice.Need("name")
		return dialect.CallOf(choice.Raw("name", `"`))
	default:
		v.Refuse("is none of auto, any, tool and none")
		return nil
	}
}
