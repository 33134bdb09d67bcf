package responses

import "sealcar/translate/dialect"

// readTools reads the functions that the model may call. Here they are flat, in a
// chat they are one level deeper.
func readTools(o *dialect.Object, chat *dialect.Chat, echo *response) {
	if v, ok := o.Take("tools"); ok {
		for _, item := range v.Items() {
			if tool, ok := item.Object(); ok {
				chat.Tools = append(chat.Tools, toolOf(item, tool))
			}
		}
		echo.Tools = v.Raw("[")
	}
	if v, ok := o.Take("tool_choice"); ok {
		echo.ToolChoice = v.Raw(`"{`)
		chat.ToolChoice = toolChoice(v)
	}
	chat.ParallelToolCalls = o.Raw("parallel_tool_calls", "t")
	echo.ParallelToolCalls = orElse(chat.ParallelToolCalls, "true")
}

func toolOf(v dialect.Value, tool *dialect.Object) dialect.Tool {
	if kind := tool.Text("type"); kind != "function" {
		v.Refuse("is a tool of type " + dialect.Quoted(kind) + ": only functions, which the application runs itself, can be translated")
		return dialect.Tool{}
	}
	tool.Need("name")
	tool.Refuse("has the API's own servers load the tool once a search finds it: leave it out, so that the model sees the tool at once", "defer_loading")
	defer tool.End()
	return dialect.Tool{Type: "function", Function: dialect.Function{
		Name:        tool.Raw("name", `"`),
		Description: tool.Raw("description", `"`),
		Parameters:  tool.Raw("parameters", "{"),
		Strict:      tool.Raw("strict", "t"),
	}}
}

func toolChoice(v dialect.Value) any {
	if v.Is('"') {
		return v.Raw(`"`)
	}
	choice, ok := v.Object()
	if !ok {
		return nil
	}
	if kind := choice.Text("type"); kind != "function" {
		v.Refuse("is a choice of type " + dialect.Quoted(kind) + ", which " + noPart)
		return nil
	}
	choice.Need("name")
	defer choice.End()
	return dialect.CallOf(choice.Raw("name", `"`))
}
