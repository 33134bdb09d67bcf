package ark

// requestTable says of every parameter of a chat what becomes of it. It knows
// the parameters of OpenAI's chat completions (openai-go v3.95.0, openai-python)
// and of Ark's chat API (volcengine SDKs python 5.0.42 and go 1.2.49, and the
// vendor's API reference). Whatever is not in it is unknown, and so is a value
// of a kind that its place does not have. docs/residue.md is this table for users.
//
// A place is a path in which [] stands for every element of an array. A
// container without a line of its own is structure.
//
//nolint:gochecknoglobals // immutable
var requestTable = []place{
	// What sealing reads and replaces.
	{"", object},
	{"model", modelName},
	{"stream", streamFlag},
	{"messages", messageList},
	{"messages[]", object},
	{"messages[].content", secretContent},
	{"messages[].content[]", contentPart},
	{"messages[].content[].type", partType},
	{"messages[].content[].text", secretText},
	{"messages[].content[].image_url", object},
	{"messages[].content[].image_url.url", imageAddress},

	// Parts that the protocol has no sealing for.
	{"messages[].content[].image_url.detail", word},
	{"messages[].content[].image_url.min_pixels", number},
	{"messages[].content[].image_url.max_pixels", number},
	{"messages[].content[].image_url.image_pixel_limit.min_pixels", number},
	{"messages[].content[].image_url.image_pixel_limit.max_pixels", number},
	{"messages[].content[].video_url.url", media},
	{"messages[].content[].video_url.fps", number},
	{"messages[].content[].input_audio.data", media},
	{"messages[].content[].input_audio.url", media},
	{"messages[].content[].input_audio.format", word},
	{"messages[].content[].file.file_data", media},
	{"messages[].content[].file.file_id", media},
	{"messages[].content[].file.filename", media},
	{"messages[].content[].refusal", media},
	{"messages[].content[].prompt_cache_breakpoint.mode", word},
	{"messages[].content[].prompt_cache_breakpoint.ttl", word},
	{"messages[].content[].cache_control.type", word}, // Anthropic's, which gateways take too
	{"messages[].content[].cache_control.ttl", word},

	// The rest of a message.
	{"messages[].role", word},
	{"messages[].name", residue},
	{"messages[].refusal", residue},
	{"messages[].reasoning_content", residue},
	{"messages[].reasoning", residue}, // OpenRouter's and vLLM's
	{"messages[].reasoning_details", residue},
	{"messages[].encrypted_content", residue},
	{"messages[].annotations", residue},
	{"messages[].audio.id", word},
	{"messages[].function_call.name", residue},
	{"messages[].function_call.arguments", residue},
	{"messages[].tool_call_id", word},
	{"messages[].tool_calls[].id", word},
	{"messages[].tool_calls[].type", word},
	{"messages[].tool_calls[].index", number},
	{"messages[].tool_calls[].function.name", residue},
	{"messages[].tool_calls[].function.arguments", residue},
	{"messages[].tool_calls[].custom.name", residue},
	{"messages[].tool_calls[].custom.input", residue},

	// Tools.
	{"tools[].type", word},
	{"tools[].cache_control.type", word},
	{"tools[].cache_control.ttl", word},
	{"tools[].function.name", residue},
	{"tools[].function.description", residue},
	{"tools[].function.parameters", residue},
	{"tools[].function.strict", number},
	{"tools[].custom.name", residue},
	{"tools[].custom.description", residue},
	{"tools[].custom.format.type", word},
	{"tools[].custom.format.grammar.syntax", word},
	{"tools[].custom.format.grammar.definition", residue},
	{"tool_choice", wordOrObject},
	{"tool_choice.type", word},
	{"tool_choice.function.name", residue},
	{"tool_choice.custom.name", residue},
	{"tool_choice.allowed_tools.mode", word},
	{"tool_choice.allowed_tools.tools", residue},
	{"parallel_tool_calls", number},
	{"functions[].name", residue},
	{"functions[].description", residue},
	{"functions[].parameters", residue},
	{"function_call", wordOrObject},
	{"function_call.name", residue},

	// The form of the answer.
	{"response_format.type", word},
	{"response_format.schema", residue},
	{"response_format.json_schema.name", residue},
	{"response_format.json_schema.description", residue},
	{"response_format.json_schema.schema", residue},
	{"response_format.json_schema.strict", number},
	{"prediction.type", word},
	{"prediction.content", media},
	{"stop", residue},
	{"stop_token_ids", residue}, // vLLM's
	{"n", number},
	{"max_tokens", number},
	{"max_completion_tokens", number},
	{"modalities[]", word},
	{"audio.format", word},
	{"audio.voice", wordOrObject},
	{"audio.voice.id", word},
	{"verbosity", word},
	{"logprobs", number},
	{"top_logprobs", number},
	{"stream_options.include_usage", number},
	{"stream_options.chunk_include_usage", number},
	{"stream_options.include_obfuscation", number},

	// Sampling and thinking.
	{"temperature", number},
	{"top_p", number},
	{"frequency_penalty", number},
	{"presence_penalty", number},
	{"repetition_penalty", number},
	{"seed", number},
	{"logit_bias", residue}, // tokens by their number
	{"thinking.type", word},
	{"reasoning_effort", word},
	{"chat_template_kwargs.enable_thinking", number}, // vLLM's
	{"chat_template_kwargs.thinking", number},
	{"chat_template_kwargs.reasoning_effort", word},
	{"options.num_ctx", number}, // Ollama's
	{"options.num_predict", number},
	{"options.temperature", number},
	{"options.seed", number},
	{"options.top_k", number},
	{"options.top_p", number},
	{"options.stop", residue},
	{"keep_alive", word},

	// The service.
	{"user", residue},
	{"metadata", residue},
	{"safety_identifier", residue},
	{"service_tier", word},
	{"store", number},
	{"prompt_cache_key", residue},
	{"prompt_cache_retention", word},
	{"prompt_cache_options.mode", word},
	{"prompt_cache_options.ttl", word},
	{"moderation.model", word},
	{"moderation.policy.input.mode", word},
	{"moderation.policy.output.mode", word},
	{"web_search_options.search_context_size", word},
	{"web_search_options.user_location.type", word},
	{"web_search_options.user_location.approximate.city", residue},
	{"web_search_options.user_location.approximate.country", residue},
	{"web_search_options.user_location.approximate.region", residue},
	{"web_search_options.user_location.approximate.timezone", residue},
}

// replyTable is the same for a completion, be it whole or one chunk of a stream.
//
//nolint:gochecknoglobals // immutable
var replyTable = []place{
	{"", object},
	{"error", replyError},
	{"error.message", reason},
	{"error.type", reason},
	{"error.code", reason},
	{"error.param", reason},
	{"choices", choiceList},
	{"choices[]", choice},
	{"choices[].index", choiceIndex},
	{"choices[].finish_reason", finishReason},
	{"choices[].message", message},
	{"choices[].message.content", secretContent},
	{"choices[].delta", message},
	{"choices[].delta.content", secretContent},

	{"choices[].message.role", word},
	{"choices[].message.refusal", residue},
	{"choices[].message.reasoning_content", residue},
	{"choices[].message.encrypted_content", opaque},
	{"choices[].message.annotations", residue},
	{"choices[].message.audio.id", word},
	{"choices[].message.audio.expires_at", number},
	{"choices[].message.audio.data", residue},
	{"choices[].message.audio.transcript", residue},
	{"choices[].message.function_call", residue},
	{"choices[].message.tool_calls", residue},
	{"choices[].delta.role", word},
	{"choices[].delta.refusal", residue},
	{"choices[].delta.reasoning_content", residue},
	{"choices[].delta.encrypted_content", opaque},
	{"choices[].delta.annotations", residue},
	{"choices[].delta.audio.id", word},
	{"choices[].delta.audio.expires_at", number},
	{"choices[].delta.audio.data", residue},
	{"choices[].delta.audio.transcript", residue},
	{"choices[].delta.function_call", residue},
	{"choices[].delta.tool_calls", residue},
	{"choices[].logprobs.content", residue}, // the text, token by token
	{"choices[].logprobs.refusal", residue},
	{"choices[].moderation_hit_type", word},

	{"id", word},
	{"object", word},
	{"created", number},
	{"model", word},
	{"service_tier", word},
	{"system_fingerprint", word},
	{"obfuscation", word}, // random, against the reading of lengths
	{"metadata", residue},
	{"moderation", residue},
	{"usage.prompt_tokens", number},
	{"usage.completion_tokens", number},
	{"usage.total_tokens", number},
	{"usage.prompt_tokens_details.cached_tokens", number},
	{"usage.prompt_tokens_details.audio_tokens", number},
	{"usage.completion_tokens_details.reasoning_tokens", number},
	{"usage.completion_tokens_details.audio_tokens", number},
	{"usage.completion_tokens_details.accepted_prediction_tokens", number},
	{"usage.completion_tokens_details.rejected_prediction_tokens", number},
}

// failureTable is the same for an error document: OpenAI's, Ark's and Anthropic's,
// and the one that vLLM had before it took up theirs, with "object".
//
//nolint:gochecknoglobals // immutable
var failureTable = []place{
	{"", object},
	{"error", replyError},
	{"error.message", reason},
	{"error.type", reason},
	{"error.code", reason},
	{"error.param", reason},

	{"object", word},
	{"message", reason},
	{"type", reason},
	{"code", reason},
	{"param", reason},
	{"request_id", word},

	// What answers have: an error has none.
	{"choices", choiceList},
	{"content", choiceList},
	{"output", choiceList},
}
