package soak

import (
	"encoding/json"
	"errors"
	"fmt"
)

// answerTo is what the echo says to a text.
func answerTo(text string) string { return "You said: " + text }

// completion is a chat.completion or a chat.completion.chunk.
type completion struct {
	ID      string
	Choices []struct {
		Message, Delta struct{ Content string }
		FinishReason   string `json:"finish_reason"`
	}
}

// judgeChat holds a reply against the body that it answers.
func judgeChat(reply []byte, body, text string) error {
	var got completion
	if err := json.Unmarshal(reply, &got); err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	if len(got.Choices) != 1 {
		return fmt.Errorf("%d choices, want 1", len(got.Choices))
	}
	return errors.Join(
		same("answer", got.Choices[0].Message.Content, answerTo(text)),
		same("end", got.Choices[0].FinishReason, "stop"),
		same("id", got.ID, chatID(body)))
}

// judgeError holds an error document against its type and code, in OpenAI's form or
// in Anthropic's.
func judgeError(reply []byte, kind, code string) error {
	var got struct {
		Error struct{ Type, Code, Message string }
	}
	if err := json.Unmarshal(reply, &got); err != nil {
		return fmt.Errorf("reading the error document: %w", err)
	}
	if got.Error.Message == "" {
		return errors.New("the error document has no message")
	}
	return errors.Join(same("type", got.Error.Type, kind), same("code", got.Error.Code, code))
}

// judgeResponse is judgeChat for a reply of the Responses API.
func judgeResponse(reply []byte, text string) error {
	var got response
	if err := json.Unmarshal(reply, &got); err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	return got.judge(text)
}

type response struct {
	Status string
	Output []struct{ Content []struct{ Type, Text string } }
}

func (r response) judge(text string) error {
	if len(r.Output) != 1 || len(r.Output[0].Content) != 1 {
		return errors.New("not one message with one content")
	}
	return errors.Join(same("answer", r.Output[0].Content[0].Text, answerTo(text)), same("status", r.Status, "completed"))
}

// judgeMessage is judgeChat for a reply of the Messages API.
func judgeMessage(reply []byte, text string) error {
	var got struct {
		Content    []struct{ Type, Text string }
		StopReason string `json:"stop_reason"`
	}
	if err := json.Unmarshal(reply, &got); err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	if len(got.Content) != 1 {
		return fmt.Errorf("%d contents, want 1", len(got.Content))
	}
	return errors.Join(same("answer", got.Content[0].Text, answerTo(text)), same("end", got.StopReason, "end_turn"))
}
