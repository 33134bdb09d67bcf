package responses

import (
	"bytes"
	"encoding/json"
	"strings"

	"sealcar/translate/dialect"
)

// The states of a response and of its items.
const (
	inProgress = "in_progress"
	completed  = "completed"
	incomplete = "incomplete"
	failed     = "failed"
)

// response is the API's response object. What the application sent comes back as
// it sent it; what the API would fill in where nothing was sent is its default, or
// null where that depends on the model.
type response struct {
	ID                 string          `json:"id"`
	Object             string          `json:"object"`
	CreatedAt          int64           `json:"created_at"` // Unix seconds
	Status             string          `json:"status"`
	AccessPrograms     json.RawMessage `json:"access_programs"` // always null: there are none
	Background         bool            `json:"background"`
	Error              *responseError  `json:"error"`
	IncompleteDetails  *reason         `json:"incomplete_details"`
	Instructions       json.RawMessage `json:"instructions"`
	MaxOutputTokens    json.RawMessage `json:"max_output_tokens"`
	Metadata           json.RawMessage `json:"metadata"`
	Model              string          `json:"model"`
	Output             []any           `json:"output"`
	ParallelToolCalls  json.RawMessage `json:"parallel_tool_calls"`
	PreviousResponseID *string         `json:"previous_response_id"`
	PromptCacheKey     json.RawMessage `json:"prompt_cache_key"`
	Reasoning          json.RawMessage `json:"reasoning"`
	SafetyIdentifier   json.RawMessage `json:"safety_identifier"`
	ServiceTier        json.RawMessage `json:"service_tier"`
	Store              bool            `json:"store"` // always false: nothing is stored
	Temperature        json.RawMessage `json:"temperature"`
	Text               json.RawMessage `json:"text"`
	ToolChoice         json.RawMessage `json:"tool_choice"`
	Tools              json.RawMessage `json:"tools"`
	TopLogprobs        int             `json:"top_logprobs"`
	TopP               json.RawMessage `json:"top_p"`
	Truncation         string          `json:"truncation"`
	Usage              *usage          `json:"usage"`
	User               json.RawMessage `json:"user"`
}

// serverError is the API's own code for a response that failed.
const serverError = "server_error"

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type reason struct {
	Reason string `json:"reason"`
}

type usage struct {
	InputTokens        int64         `json:"input_tokens"`
	InputTokensDetails inputDetails  `json:"input_tokens_details"`
	OutputTokens       int64         `json:"output_tokens"`
	OutputDetails      outputDetails `json:"output_tokens_details"`
	TotalTokens        int64         `json:"total_tokens"`
}

type inputDetails struct {
	CachedTokens     int64 `json:"cached_tokens"`
	CacheWriteTokens int64 `json:"cache_write_tokens"`
}

type outputDetails struct {
	ReasoningTokens int64 `json:"reasoning_tokens"`
}

// newResponse has the parameters that a chat has too.
func newResponse(chat *dialect.Chat) response {
	return response{
		Object: "response", Status: inProgress, Truncation: "disabled", Output: []any{},
		MaxOutputTokens:  chat.MaxTokens,
		PromptCacheKey:   chat.PromptCacheKey,
		SafetyIdentifier: chat.SafetyIdentifier,
		ServiceTier:      chat.ServiceTier,
		Temperature:      chat.Temperature,
		TopP:             chat.TopP,
		User:             chat.User,
		Reasoning:        json.RawMessage(`{"effort":null,"summary":null}`),
		Text:             json.RawMessage(`{"format":{"type":"text"}}`),
		ToolChoice:       json.RawMessage(`"auto"`),
		Tools:            json.RawMessage(`[]`),
	}
}

// detach copies what the response repeats of the request, so that it does not
// hold all of that, and gives the length of the copies in bytes.
func (r *response) detach() (size int64) {
	for _, raw := range []*json.RawMessage{
		&r.Instructions, &r.MaxOutputTokens, &r.Metadata, &r.ParallelToolCalls, &r.PromptCacheKey, &r.Reasoning,
		&r.SafetyIdentifier, &r.ServiceTier, &r.Temperature, &r.Text, &r.ToolChoice, &r.Tools, &r.TopP, &r.User,
	} {
		*raw = bytes.Clone(*raw)
		size += int64(len(*raw))
	}
	return size
}

// identify takes what the first document of a reply says about all of it. The
// response's id is made of the chat's, so that the two can be found together.
func (r *response) identify(c *dialect.Completion) {
	r.ID = "resp_" + suffix(c.ID)
	r.CreatedAt, r.Model = int64(c.Created), c.Model
	if c.ServiceTier != nil {
		r.ServiceTier = c.ServiceTier
	}
}

// suffix is a chat's id without its own prefix.
func suffix(id string) string { return strings.TrimPrefix(id, "chatcmpl-") }

// conclude sets how the response ended by the chat's finish_reason.
func (r *response) conclude(finish string) {
	switch finish {
	case "length":
		r.Status, r.IncompleteDetails = incomplete, &reason{"max_output_tokens"}
	case "content_filter":
		r.Status, r.IncompleteDetails = incomplete, &reason{"content_filter"}
	default:
		r.Status = completed
	}
}

func (r *response) count(u *dialect.Usage) {
	if u == nil {
		return
	}
	r.Usage = &usage{
		InputTokens: u.Prompt, InputTokensDetails: inputDetails{CachedTokens: u.PromptDetails.Cached},
		OutputTokens: u.Completion, OutputDetails: outputDetails{ReasoningTokens: u.CompletionDetails.Reasoning},
		TotalTokens: u.Total,
	}
}
