// Package anthropic carries requests of Anthropic's Messages API (POST
// /v1/messages) as chat completions, which can be sealed, and turns the replies
// back, so that applications written for Claude are protected too.
//
// Start at Transport (transport.go). request.go, messages.go and tools.go make the
// chat; reply.go makes the message and its events; failure.go gives every error
// the form that Anthropic's SDKs read.
//
// What is refused with 400 before anything is sent: documents, files and tools
// that the API's own servers run, parameters that a chat has no counterpart for,
// and those that nobody knows; counting tokens and batches. docs/dialects.md has
// the whole table.
//
// Source: Anthropic API reference, "Messages" and "Streaming Messages", as of the
// SDK for Python 2.12.0.
package anthropic
