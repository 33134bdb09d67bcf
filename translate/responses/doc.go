// Package responses carries requests of OpenAI's Responses API (POST /responses)
// as chat completions, which can be sealed, and turns the replies back, so that
// applications which use that API are protected too.
//
// Start at Transport (transport.go). request.go, input.go and tools.go make the
// chat; reply.go turns the reply back: response.go and item.go make the response
// object, events.go the events of a stream.
//
// The translation is stateless but for References (references.go), which remembers
// recent items in memory, for item_reference. What is refused with 400 before
// anything is sent: whatever refers to something stored otherwise
// (previous_response_id, conversation, prompt, background), tools
// that the API's own servers run, files and audio, and parameters that nobody
// knows. docs/dialects.md has the whole table.
//
// Source: OpenAI API reference, "Responses" and "Streaming events", as of
// openai-python 3.54.0.
package responses
